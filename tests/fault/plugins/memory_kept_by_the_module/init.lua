-- attack: each call leaves something behind in a global
-- in: Lua
-- stopped by: the memory account; a fresh VM is put in its place
-- answer: 500 memory_limit or internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_kept_by_the_module", version = "1.0.0", layer = "innovation", limits = { memory_mb = 16 } }
kept = {}
plugin:query "attack" { output = t.any, run = function(ctx)
    for i = 1, 100 do kept[#kept + 1] = ("x"):rep(100000) .. i end
    error("the next one, please")
end }

return plugin
