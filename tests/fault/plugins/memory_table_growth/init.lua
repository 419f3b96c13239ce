-- attack: a table that grows
-- in: Lua
-- stopped by: the memory account
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_table_growth", version = "1.0.0", layer = "innovation", limits = { memory_mb = 16, cpu_ms = 1000 } }
plugin:query "attack" { output = t.any, run = function(ctx)
    local list = {}
    while true do list[#list + 1] = { #list } end
end }

return plugin
