-- attack: the concatenation of a long list of long strings
-- in: Lua
-- stopped by: the limit of a single block
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_huge_concat", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local list, piece = {}, ("x"):rep(100000)
    for i = 1, 1000 do list[i] = piece end
    return #table.concat(list)
end }

return plugin
