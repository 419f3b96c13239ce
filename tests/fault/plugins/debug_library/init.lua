-- attack: the debug library, by every way to it
-- in: Lua
-- stopped by: it is not there
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "debug_library", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local ways = { debug, package, io, os.execute, os.exit, os.getenv, os.remove, dofile, loadfile }
    for _, name in ipairs { "debug", "io", "os", "package", "_G", "string" } do
        ways[#ways + 1] = pcall(require, name) and name or nil
    end
    return next(ways) == nil
end }

return plugin
