-- attack: a result of ten million rows
-- in: C
-- stopped by: the bound of rows, the CPU budget
-- answer: 500 internal or cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_huge_result", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ctx.db:all("with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000000) select i from n")
end }

return plugin
