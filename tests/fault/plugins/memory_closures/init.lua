-- attack: closures without number
-- in: Lua
-- stopped by: the memory account
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_closures", version = "1.0.0", layer = "innovation", limits = { memory_mb = 16, cpu_ms = 1000 } }
plugin:query "attack" { output = t.any, run = function(ctx)
    local last
    while true do
        local before = last
        last = function() return before end
    end
end }

return plugin
