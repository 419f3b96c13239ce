-- orders: places orders and shows them. Money is in whole cents, never in fractions.
local pinion = require "pinion"
local t = pinion.types

local orders = pinion.plugin {
    name = "orders", version = "1.0.0",
    layer = "differentiation", owner = "team-orders",
    summary = "Places and shows orders.",
    needs = { "db" },
    limits = { cpu_ms = 50, wall_ms = 2000, memory_mb = 32 },
}

local id = t.integer { min = 1 }

local order = {
    id = id,
    user_id = id,
    sku = t.string,
    qty = t.integer,
    total_cents = t.integer,
    placed_at = t.timestamp,
}
local columns = "id, user_id, sku, qty, total_cents, placed_at"

orders:command "place" {
    summary = "Place an order.",
    http = "POST /orders",
    input = {
        user_id = id,
        sku = t.string { min_length = 1, max_length = 64 },
        qty = t.integer { min = 1, max = 99 },
        price_cents = t.integer { min = 0, max = 100000000 },
    },
    output = { id = id, total_cents = t.integer },
    run = function(ctx, input)
        local total = input.qty * input.price_cents
        return ctx.db:one("insert into orders(user_id, sku, qty, total_cents, placed_at)"
                .. " values ($1, $2, $3, $4, $5) returning id, total_cents",
            input.user_id, input.sku, input.qty, total, ctx.clock:timestamp())
    end,
}

orders:query "get" {
    summary = "One order by id.",
    http = "GET /orders/{id}",
    expose = { "mcp" },
    input = { id = id },
    output = order,
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("select " .. columns .. " from orders where id = $1", input.id)
            or ctx:fail("not_found", { id = input.id })
    end,
}

-- Pages by the last id seen, not by an offset: the thousandth page is as fast as the first, and an
-- order placed meanwhile moves nothing.
orders:query "list" {
    summary = "A user's orders, the newest first.",
    http = "GET /users/{user_id}/orders",
    expose = { "mcp" },
    input = {
        user_id = id,
        limit = t.integer { min = 1, max = 100, default = 20 },
        before = t.optional(t.integer { min = 1, description = "next of the page before" }),
    },
    output = { orders = t.array(order), next = t.nullable(t.integer) },
    run = function(ctx, input)
        local page = ctx.db:all("select " .. columns .. " from orders"
                .. " where user_id = $1 and id < coalesce($2, 9223372036854775807)"
                .. " order by id desc limit $3",
            input.user_id, input.before, input.limit + 1)
        local more = #page > input.limit
        if more then
            page[#page] = nil
        end
        return { orders = page, next = more and page[#page].id or nil }
    end,
}

return orders
