-- attack: a finalizer loops for ever
-- in: Lua
-- stopped by: setmetatable refuses __gc
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_gc", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    setmetatable({}, { __gc = function() while true do end end })
    collectgarbage("count")
end }

return plugin
