-- attack: coroutine.yield where the host expects none
-- in: Lua
-- stopped by: the host's coroutine cannot be yielded
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "yield_to_the_host", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    coroutine.yield("here")
end }

return plugin
