-- attack: error objects whose metamethods loop for ever
-- in: Lua
-- stopped by: error objects are not asked for their text
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "hostile_error_objects", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local function loop() while true do end end
    error(setmetatable({}, { __tostring = loop, __index = loop, __name = "x", __concat = loop, __eq = loop, __len = loop, __pairs = loop }))
end }

return plugin
