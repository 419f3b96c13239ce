-- attack: the settings of the database are changed
-- in: C
-- stopped by: the authorizer
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_pragma", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:command "attack" { output = t.any, run = function(ctx)
    return ctx.db:all("pragma journal_mode = off")
end }

return plugin
