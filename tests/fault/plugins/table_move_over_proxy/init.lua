-- attack: a move of 2^63 elements of nothing
-- in: C
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "table_move_over_proxy", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local endless = setmetatable({}, { __len = function() return math.maxinteger - 1 end, __index = {}, __newindex = {} })
    table.move(endless, 1, math.maxinteger - 1, 1, setmetatable({}, { __newindex = {} }))
end }

return plugin
