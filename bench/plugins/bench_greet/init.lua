-- The greet workload: JSON in, a sum over an array, JSON out. bench/run edits the word Hello to
-- time a swap.
local pinion = require "pinion"
local t = pinion.types

local bench = pinion.plugin {
    name = "bench_greet", version = "1.0.0",
    layer = "innovation", owner = "bench",
    summary = "Greets somebody and adds up numbers.",
}

bench:query "greet" {
    version = 1, summary = "A greeting and a sum.",
    http = "POST /greet",
    input = {
        name = t.string { min_length = 1, max_length = 64 },
        items = t.array(t.integer) { max_items = 100 },
    },
    output = { greeting = t.string, sum = t.integer },
    run = function(_, input)
        local sum = 0
        for _, item in ipairs(input.items) do
            sum = sum + item
        end
        return { greeting = "Hello, " .. input.name .. "!", sum = sum }
    end,
}

return bench
