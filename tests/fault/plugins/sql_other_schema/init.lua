-- attack: the tables of the host and of others
-- in: C
-- stopped by: the authorizer
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_other_schema", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.boolean, run = function(ctx)
    for _, text in ipairs { "select * from pinion_migrations", "select * from good.rows", "select * from sqlite_dbpage",
        "update sqlite_master set sql = ''", "select writefile('x', 'y')", "vacuum into 'copy.db'", "begin", "commit" } do
        if pcall(ctx.db.all, ctx.db, text) then return text end
    end
    return true
end }

return plugin
