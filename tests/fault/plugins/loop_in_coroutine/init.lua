-- attack: an endless loop in a coroutine, resumed for ever
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_coroutine", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    while true do
        coroutine.wrap(function() while true do coroutine.yield() end end)()
        coroutine.resume(coroutine.create(function() while true do end end))
    end
end }

return plugin
