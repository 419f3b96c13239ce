-- attack: the tables of "pinion" are changed
-- in: Lua
-- stopped by: each generation has its own
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "tampering_with_pinion", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local mine = require "pinion"
    for k in pairs(mine) do mine[k] = nil end
    for k in pairs(t) do pcall(rawset, t, k, function() while true do end end) end
    return next(mine) == nil
end }

return plugin
