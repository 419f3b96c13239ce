-- attack: the same in a loop that catches the error
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "pattern_bomb_caught", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    while true do
        pcall(string.match, ("a"):rep(1000), (".-"):rep(20) .. "b")
    end
end }

return plugin
