-- The user workload: one of 10,000 rows by its key.
local pinion = require "pinion"
local t = pinion.types

local bench = pinion.plugin {
    name = "bench_user", version = "1.0.0",
    layer = "innovation", owner = "bench",
    summary = "Shows one of 10,000 users.",
    needs = { "db" },
}

bench:query "get" {
    version = 1, summary = "One user by id.",
    http = "GET /users/{id}",
    input = { id = t.integer { min = 1 } },
    output = { id = t.integer, name = t.string, email = t.string },
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("select id, name, email from users where id = $1", input.id)
            or ctx:fail("not_found", { id = input.id })
    end,
}

return bench
