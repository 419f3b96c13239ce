-- attack: more values than a stack has room for
-- in: C
-- stopped by: the size of the stack
-- answer: 500 internal or memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "table_unpack_range", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    return select("#", table.unpack({}, 1, 100000000))
end }

return plugin
