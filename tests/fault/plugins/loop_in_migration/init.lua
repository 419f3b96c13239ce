-- attack: the SQL of a migration never ends
-- in: C
-- stopped by: the time limit of verification
-- answer: not live: 0001_endless.sql
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_migration", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return 1
end }

return plugin
