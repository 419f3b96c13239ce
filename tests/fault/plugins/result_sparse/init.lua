-- attack: an answer with a hole of a thousand million
-- in: Lua
-- stopped by: arrays have no holes
-- answer: 500 contract_output
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "result_sparse", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return { [1] = 1, [1000000000] = 2 }
end }

return plugin
