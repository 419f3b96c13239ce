-- attack: source text with a million parentheses
-- in: C
-- stopped by: the depth of the compiler
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "nested_parentheses", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return load("return " .. ("("):rep(100000) .. "1" .. (")"):rep(100000)) == nil
end }

return plugin
