-- attack: a recursive query without end that writes
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_endless_command", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:command "attack" { output = nil, run = function(ctx)
    ctx.db:run("insert into rows with recursive n(i) as (select 1 union all select i + 1 from n) select i from n")
end }

return plugin
