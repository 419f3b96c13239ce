-- Entries of accounts: by key, by page, and all of them.
local pinion = require "pinion"
local t = pinion.types

local bench = pinion.plugin {
    name = "bench_rows", version = "1.0.0",
    layer = "innovation", owner = "bench",
    summary = "Reads a large table.",
    needs = { "db" },
    limits = { cpu_ms = 60000, wall_ms = 600000 },
}

local entry = t.object { id = t.integer, account = t.integer, text = t.string, cents = t.integer }

bench:query "get" {
    version = 1, summary = "One entry by its key.",
    http = "GET /entries/{id}",
    input = { id = t.integer { min = 1 } },
    output = entry,
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("select id, account, text, cents from entry where id = $1", input.id)
            or ctx:fail("not_found", { id = input.id })
    end,
}

bench:query "page" {
    version = 1, summary = "The next entries of an account.",
    http = "GET /accounts/{account}/entries",
    input = { account = t.integer, after = t.integer { default = 0 },
        limit = t.integer { min = 1, max = 1000, default = 100 } },
    output = t.array(entry),
    run = function(ctx, input)
        return ctx.db:all([[select id, account, text, cents from entry
            where account = $1 and id > $2 order by id limit $3]],
            input.account, input.after, input.limit)
    end,
}

bench:query "totals" {
    version = 1, summary = "Count, sum and mean of all entries.",
    http = "GET /totals",
    output = { entries = t.integer, cents = t.integer, mean = t.number },
    run = function(ctx)
        return ctx.db:one(
            "select count(*) as entries, sum(cents) as cents, avg(cents) as mean from entry")
    end,
}

bench:query "walk" {
    version = 1, summary = "The sum of the first entries, one after the other in Lua.",
    http = "GET /walk",
    input = { rows = t.integer { min = 1 } },
    output = { rows = t.integer, cents = t.integer },
    run = function(ctx, input)
        local rows, cents = 0, 0
        for row in ctx.db:each(
            "select id, account, text, cents from entry where id <= $1 order by id", input.rows) do
            rows, cents = rows + 1, cents + row.cents
        end
        return { rows = rows, cents = cents }
    end,
}

return bench
