-- attack: __lt loops for ever
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_lt", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local object = setmetatable({}, { __lt = function() while true do end end })
    local _ = object < object
end }

return plugin
