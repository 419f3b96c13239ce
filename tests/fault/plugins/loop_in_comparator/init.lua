-- attack: the comparison of a sort loops for ever
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_comparator", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local list = {}
    for i = 1, 100 do list[i] = i end
    table.sort(list, function() while true do end end)
end }

return plugin
