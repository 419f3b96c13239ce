-- attack: the largest source text, compiled for ever
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "compile_over_and_over", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local source = ("local a = 1; "):rep(15000)
    while true do load(source) end
end }

return plugin
