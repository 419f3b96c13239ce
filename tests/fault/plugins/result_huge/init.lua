-- attack: an answer of hundreds of megabytes
-- in: Lua
-- stopped by: the bound of an answer
-- answer: 500 contract_output or cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "result_huge", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local text, list = ("\1"):rep(1000000), {}
    for i = 1, 100 do list[i] = text end
    return list
end }

return plugin
