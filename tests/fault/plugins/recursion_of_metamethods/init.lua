-- attack: __index that indexes itself by way of gsub
-- in: Lua
-- stopped by: the depth of C calls
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "recursion_of_metamethods", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local object
    object = setmetatable({}, { __index = function(_, k) return (k:gsub(".", function() return object[k] end)) end })
    return object.x
end }

return plugin
