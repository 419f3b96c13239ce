-- attack: an answer with a million members
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit or memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "result_million_keys", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local list = {}
    for i = 1, 1000000 do list["k" .. i] = i end
    return list
end }

return plugin
