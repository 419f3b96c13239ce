-- attack: methods of all strings are changed
-- in: Lua
-- stopped by: the metatable is locked; the table is the plugin's own
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "string_metatable", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    string.upper = function() return "mine" end
    return getmetatable("") == "string" and not pcall(setmetatable, getmetatable(""), {})
end }

return plugin
