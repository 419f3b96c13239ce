-- attack: nothing, repeated 2^62 times
-- in: C
-- stopped by: it is nothing
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "string_rep_of_nothing", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ("" ):rep(1 << 62)
end }

return plugin
