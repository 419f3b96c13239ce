-- attack: __tostring loops for ever
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_tostring", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local object = setmetatable({}, { __tostring = function() while true do end end })
    tostring(object)
end }

return plugin
