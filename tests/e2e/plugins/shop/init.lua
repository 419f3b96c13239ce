-- shop: every kind of type and every way in, for the tests of what is exported.
local pinion = require "pinion"
local t = pinion.types

local shop = pinion.plugin {
    name = "shop", version = "2.3.4", layer = "differentiation", owner = "team-shop",
    summary = "Sells \"things\" & shows them.",
}

shop:type "line" {
    sku = t.string { min_length = 1, max_length = 64, pattern = "^[A-Z]{3}-\\d+$",
        example = "TEA-1", description = "What is bought." },
    qty = t.integer { min = 1, max = 99 },
    note = t.nullable(t.optional(t.string)),
}

shop:type "payment" (t.union("by", {
    card = { number = t.string { min_length = 12, max_length = 19, example = "4242424242424242" } },
    invoice = { to = t.string { format = "email" }, days = t.integer { default = 30 } },
}))

shop:type "category" {
    name = t.string,
    children = t.optional(t.array(t.ref "category")),
}

shop:type "maybe_line" (t.nullable(t.ref "line"))

local order = {
    id = t.integer { min = 1 },
    placed_at = t.timestamp,
    lines = t.array(t.ref "line") { min_items = 1 },
    payment = t.ref "payment",
    total = t.decimal,
}

local function fail(ctx)
    return ctx:fail("not_found", {})
end

shop:command "place" {
    version = 2,
    summary = "Place an order.",
    description = "Takes *all* lines at once.",
    http = "POST /shop/{country}/orders",
    headers = { client = "X-Client", priority = "X-Priority" },
    input = {
        country = t.enum { "de", "fr" },
        client = t.uuid,
        priority = t.integer { default = 3, min = 1, max = 5 },
        lines = t.array(t.ref "line") { items = { 1, 10 } },
        payment = t.nullable(t.ref "payment"),
        gift = t.optional(t.nullable(t.ref "maybe_line")),
        picture = t.optional(t.bytes { min_length = 1, max_length = 100, example = "hi" }),
        weight = t.number { min = 0.5, max = 30, multiple_of = 0.1, example = 1.1 },
        labels = t.map(t.string { max_length = 20 }) { max_items = 5, default = {} },
        delivery = t.optional(t.date { deprecated = true, description = "Use the calendar." }),
        address = t.optional(t.json_schema "address.json"),
        extra = t.any,
    },
    output = order,
    errors = { out_of_stock = 409, declined = 402, unknown_country = 404, odd_input = 400,
        no_room = 507 },
    run = fail,
}

shop:command "place" {
    version = 1,
    summary = "Place an order of one line.",
    deprecated = "place@2 takes several lines",
    input = { sku = t.string, qty = t.integer },
    output = order,
    run = fail,
}

shop:query "get" {
    summary = "One order.",
    http = "GET /shop/{country}/orders/{id}",
    input = { country = t.enum { "de", "fr" }, id = t.integer { min = 1, example = 7 } },
    output = order,
    errors = { not_found = 404 },
    run = fail,
}

shop:command "cancel" {
    http = "DELETE /shop/{region}/orders/{order_id}",
    idempotent = true,
    input = { region = t.string, order_id = t.integer },
    errors = { not_found = 404, gone = 404 },
    run = fail,
}

shop:query "search" {
    summary = "Orders by what is in them.",
    http = "GET /shop/Straßen|a",
    input = {
        words = t.array(t.string { min_length = 1 }) { max_items = 8, unique = true, default = {} },
        since = t.optional(t.nullable(t.timestamp)),
        open = t.boolean { default = true },
        anything = t.optional(t.any),
        tree = t.optional(t.ref "category"),
        limit = t.integer { min = 1, max = 100, multiple_of = 5, default = 10,
            description = "Of a page." },
    },
    output = t.array(t.json_schema {
        ["$ref"] = "#/$defs/hit",
        ["$defs"] = { hit = { type = "object", required = pinion.array { "id" },
            properties = { id = { type = "integer" } } } },
    }),
    run = fail,
}

shop:action "tree" {
    input = { root = t.ref "category", line = t.ref "maybe_line" },
    output = t.nullable(t.ref "category"),
    run = fail,
}

shop:query "ping" { output = t.any, run = fail }

return shop
