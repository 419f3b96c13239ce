-- attack: globals are filled and looked through
-- in: Lua
-- stopped by: each generation has its own
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "globals_of_others", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    tostring, pairs, error, string.format = nil, nil, nil, nil
    neighbour = "mine"
    return good == nil and rows == nil
end }

return plugin
