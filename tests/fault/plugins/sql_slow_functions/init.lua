-- attack: functions that compare megabytes with megabytes
-- in: C
-- stopped by: linear functions of our own
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "sql_slow_functions", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    return ctx.db:value("select instr(hex(zeroblob(2000000)), hex(zeroblob(900000)) || '1')")
end }

return plugin
