-- attack: a concatenation of 2^63 empty strings
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "table_concat_over_proxy", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local endless = setmetatable({}, { __len = function() return math.maxinteger - 1 end, __index = function() return "" end })
    return table.concat(endless)
end }

return plugin
