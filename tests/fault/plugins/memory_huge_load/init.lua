-- attack: source text without end
-- in: Lua
-- stopped by: the bound of what is compiled
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_huge_load", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return load(function() return ("-"):rep(1000) end) == nil
end }

return plugin
