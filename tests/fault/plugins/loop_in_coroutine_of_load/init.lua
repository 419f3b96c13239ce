-- attack: the coroutine was made when the plugin was loaded
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit or internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_coroutine_of_load", version = "1.0.0", layer = "innovation" }
local endless = coroutine.wrap(function() while true do end end)
plugin:query "attack" { output = t.any, run = function(ctx)
    return endless()
end }

return plugin
