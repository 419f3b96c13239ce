-- luacheck plugins scripts. Plugins see Lua 5.4 without what the sandbox takes away.
std = "lua54"
max_line_length = 100
cache = false
codes = true
ranges = true

-- What reaches outside, or round the sandbox, is not there for a plugin.
files["plugins"] = {
    not_globals = {
        "collectgarbage", "debug", "dofile", "io", "load", "loadfile", "os", "package",
    },
}

-- Declarations for the language server: nothing in them is used, or does anything. The export ends
-- the file with the plugins' own.
files["scripts/templates/pinion.d.lua"] = { ignore = { "211", "212", "241" } }
