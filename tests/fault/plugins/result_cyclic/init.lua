-- attack: an answer that contains itself
-- in: Lua
-- stopped by: the depth of an answer
-- answer: 500 contract_output
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "result_cyclic", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local list = {}
    list[1] = list
    return list
end }

return plugin
