-- attack: patterns that backtrack for years
-- in: C
-- stopped by: the budget of steps
-- answer: 500 internal or cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "pattern_bomb", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ("a"):rep(200):find(("a*"):rep(30) .. "b")
end }

return plugin
