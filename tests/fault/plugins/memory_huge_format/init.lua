-- attack: a format with a large argument, over and over
-- in: Lua
-- stopped by: the memory account or the CPU budget
-- answer: 500 memory_limit or cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_huge_format", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local s = ("x"):rep(1000000)
    while true do s = ("%s%s"):format(s, s) end
end }

return plugin
