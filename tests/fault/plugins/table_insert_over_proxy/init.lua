-- attack: an insertion that moves 2^62 elements
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "table_insert_over_proxy", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local endless = setmetatable({}, { __len = function() return 1 << 62 end, __index = {}, __newindex = {} })
    table.insert(endless, 1, "x")
end }

return plugin
