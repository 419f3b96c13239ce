-- attack: a native library is loaded
-- in: C
-- stopped by: the authorizer
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_load_extension", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ctx.db:value("select load_extension('/tmp/x.so')")
end }

return plugin
