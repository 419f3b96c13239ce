-- attack: a set of a hundred thousand characters against a megabyte
-- in: C
-- stopped by: the bound of patterns, the budget of steps
-- answer: 500 internal or cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "pattern_long_set", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ("a"):rep(1000000):find("[" .. ("b"):rep(100000) .. "]")
end }

return plugin
