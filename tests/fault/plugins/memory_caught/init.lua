-- attack: memory errors are caught and tried again
-- in: Lua
-- stopped by: the memory account; what ends a call cannot be caught
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_caught", version = "1.0.0", layer = "innovation", limits = { memory_mb = 16, cpu_ms = 1000 } }
plugin:query "attack" { output = t.any, run = function(ctx)
    local kept = {}
    while true do
        pcall(function() while true do kept[#kept + 1] = ("x"):rep(100000) .. #kept end end)
    end
end }

return plugin
