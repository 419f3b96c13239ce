-- attack: __concat loops for ever
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_concat", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local object = setmetatable({}, { __concat = function() while true do end end })
    local _ = object .. ""
end }

return plugin
