-- The order workload: one durable row for each request.
local pinion = require "pinion"
local t = pinion.types

local bench = pinion.plugin {
    name = "bench_order", version = "1.0.0",
    layer = "innovation", owner = "bench",
    summary = "Takes orders.",
    needs = { "db" },
}

bench:command "place" {
    version = 1, summary = "Place an order.",
    http = "POST /orders",
    input = {
        user_id = t.integer { min = 1 },
        sku = t.string { min_length = 1, max_length = 64 },
        qty = t.integer { min = 1, max = 99 },
        price_cents = t.integer { min = 0 },
    },
    output = { id = t.integer, total_cents = t.integer },
    run = function(ctx, input)
        local total = input.qty * input.price_cents
        local row = ctx.db:one(
            "insert into orders(user_id, sku, qty, total_cents) values ($1, $2, $3, $4)"
                .. " returning id",
            input.user_id, input.sku, input.qty, total)
        return { id = row.id, total_cents = total }
    end,
}

return bench
