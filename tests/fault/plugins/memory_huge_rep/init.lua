-- attack: one string of a gigabyte
-- in: Lua
-- stopped by: the limit of a single block
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_huge_rep", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return #("x"):rep(1 << 30)
end }

return plugin
