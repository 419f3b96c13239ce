-- attack: LIKE with many wildcards over megabytes
-- in: C
-- stopped by: bounds of patterns and values
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_like_bomb", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ctx.db:value("select hex(zeroblob(500000)) like '" .. ("%0"):rep(45) .. "1'")
end }

return plugin
