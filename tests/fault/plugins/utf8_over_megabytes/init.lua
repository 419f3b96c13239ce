-- attack: utf8.len over a megabyte, over and over
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "utf8_over_megabytes", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local s = ("\u{10FFFF}"):rep(250000)
    while true do utf8.len(s) utf8.offset(s, -1, #s + 1) end
end }

return plugin
