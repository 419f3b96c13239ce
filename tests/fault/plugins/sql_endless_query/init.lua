-- attack: a recursive query without end
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_endless_query", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ctx.db:value("with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n")
end }

return plugin
