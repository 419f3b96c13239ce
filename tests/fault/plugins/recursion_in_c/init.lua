-- attack: pcall in pcall in pcall
-- in: Lua
-- stopped by: the depth of C calls
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "recursion_in_c", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local depth = 0
    local function deeper() depth = depth + 1 return pcall(deeper) end
    deeper()
    return depth > 10
end }

return plugin
