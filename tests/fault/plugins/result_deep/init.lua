-- attack: an answer ten thousand levels deep
-- in: Lua
-- stopped by: the depth of an answer
-- answer: 500 contract_output
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "result_deep", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local list = {}
    for _ = 1, 10000 do list = { list } end
    return list
end }

return plugin
