-- attack: a sort of gigabytes
-- in: C
-- stopped by: the account of what SQLite allocates, the CPU budget
-- answer: 500 internal or cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_huge_sort", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ctx.db:value("with recursive n(i) as (select 1 union all select i + 1 from n) select randomblob(100000) as b from n order by b")
end }

return plugin
