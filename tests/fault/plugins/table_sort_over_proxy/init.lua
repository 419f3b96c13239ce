-- attack: a sort of 2^31 elements of nothing
-- in: C
-- stopped by: the limit of a single block
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "table_sort_over_proxy", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local endless = setmetatable({}, { __len = function() return (1 << 31) - 2 end, __index = {}, __newindex = {} })
    table.sort(endless)
end }

return plugin
