-- attack: compiled Lua
-- in: Lua
-- stopped by: load takes source text only
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "bytecode", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local f = load("\27Lua\x54\0\x19\x93\r\n\x1a\n")
    return f == nil and string.dump == nil
end }

return plugin
