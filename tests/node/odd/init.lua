-- odd: what is hard for a typed client: unions, recursion, 64 bits, versions, names that are words of
-- the language, texts that would end a comment.
local pinion = require "pinion"
local t = pinion.types

local odd = pinion.plugin {
    name = "odd", version = "1.2.3", layer = "innovation",
    summary = "Texts such as */ and ` and ${x} stay texts.",
    needs = { "db" },
}

local wide = t.integer
local safe = t.integer { min = -9007199254740991, max = 9007199254740991 }

odd:type "tree" {
    id = wide,
    children = t.array(t.ref "tree"),
    named = t.optional(t.map(t.ref "tree")),
}
odd:type "shape" (t.union("kind", {
    circle = { radius = t.number, id = wide },
    ["odd \"kind\""] = { sides = t.array(safe) },
    none = {},
}))
odd:type "id" (t.integer { description = "A wide id.\n@class Broken */ x" })

local everything = {
    any = t.any,
    blob = t.bytes,
    big = wide,
    choice = t.enum { "a", "b*/", "c\"\n" },
    date = t.date,
    decimal = t.decimal,
    id = t.ref "id",
    limit = t.integer { min = 1, max = 10, default = 5, description = "How many */ of them." },
    list = t.array(t.nullable(wide)),
    map = t.map(wide),
    maybe = t.optional(t.nullable(wide)),
    number = t.number,
    schema = t.json_schema { type = "object" },
    shape = t.ref "shape",
    tree = t.ref "tree",
    when = t.timestamp,
    uuid = t.uuid { deprecated = true },
    ["new"] = t.boolean, ["constructor"] = t.string, ["class"] = t.string, ["get"] = t.string,
    ["readonly"] = t.optional(t.string), ["__proto__"] = t.optional(wide), ["end"] = t.string,
    ["a-b */ \"c\""] = t.string, ["${x}`"] = t.string,
}

odd:query "echo" {
    summary = "Gives back what it is given */ really.",
    description = "First line.\n\n    code\n/ after a slash\n@param x nobody",
    input = everything,
    output = everything,
    run = function(_, input)
        return input
    end,
}

odd:query "add" { version = 1, deprecated = "add@2",
    input = { a = wide, b = wide }, output = wide,
    run = function(_, input) return input.a + input.b end }
odd:query "add" { version = 2,
    input = { list = t.array(wide) }, output = { sum = wide },
    run = function(_, input)
        local sum = 0
        for _, n in ipairs(input.list) do sum = sum + n end
        return { sum = sum }
    end }
-- Named as a method for version 1 of add would be.
odd:query "add_v1" { run = function() end }

odd:query "new" { output = t.string, run = function() return "new" end }
odd:query "constructor" { output = t.string, run = function() return "constructor" end }

odd:command "refuse" {
    input = { code = t.enum { "gone", "not_found", "constructor" }, details = t.any },
    errors = { not_found = 404, gone = 410, constructor = 409 },
    run = function(ctx, input)
        ctx:fail(input.code, input.details)
    end,
}

odd:query "slow" {
    input = { ms = t.integer { min = 0, max = 5000 } },
    run = function(ctx, input)
        local until_ = ctx.clock:monotonic() + input.ms / 1000
        while ctx.clock:monotonic() < until_ do end
    end,
}

odd:action "empty" { run = function() end }

odd:query "headers" {
    output = t.map(t.string),
    run = function(ctx) return ctx.request.headers end,
}

return odd
