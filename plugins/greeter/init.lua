-- greeter: the smallest plugin. It keeps no data, so it needs nothing.
local pinion = require "pinion"
local t = pinion.types

local greeter = pinion.plugin {
    name = "greeter", version = "1.0.0",
    layer = "innovation", owner = "team-welcome",
    summary = "Greets people in their language.",
}

-- Module-level tables are made once per generation; every call reads them.
local greetings = {
    en = "Hello, %s!",
    de = "Hallo, %s!",
    zh = "你好，%s！",
}

greeter:query "greet" {
    summary = "A greeting for a name.",
    http = "POST /greet",
    expose = { "mcp" },
    input = {
        name = t.string { min_length = 1, max_length = 64 },
        language = t.enum { "en", "de", "zh" } { default = "en" },
    },
    output = { greeting = t.string },
    run = function(_, input)
        return { greeting = greetings[input.language]:format(input.name) }
    end,
}

return greeter
