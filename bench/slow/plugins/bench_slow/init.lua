-- A read by key, and one that looks at every row.
local pinion = require "pinion"
local t = pinion.types

local bench = pinion.plugin {
    name = "bench_slow", version = "1.0.0",
    layer = "innovation", owner = "bench",
    summary = "Reads by key, and reads of everything.",
    needs = { "db" },
    limits = { cpu_ms = 20000, wall_ms = 60000 },
}

bench:query "get" {
    version = 1, summary = "One row by its key.",
    http = "GET /rows/{id}",
    input = { id = t.integer { min = 1 } },
    output = { id = t.integer, name = t.string },
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("select id, name from row where id = $1", input.id)
            or ctx:fail("not_found", { id = input.id })
    end,
}

bench:query "scan" {
    version = 1, summary = "How many names contain these digits.",
    http = "GET /scan/{digits}",
    input = { digits = t.string { max_length = 8 } },
    output = { count = t.integer },
    run = function(ctx, input)
        return ctx.db:one(
            "select count(*) as count from row where name like '%' || $1 || '%'", input.digits)
    end,
}

return bench
