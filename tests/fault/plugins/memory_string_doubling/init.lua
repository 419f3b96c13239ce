-- attack: a string that doubles
-- in: Lua
-- stopped by: the memory account
-- answer: 500 memory_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "memory_string_doubling", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local s = "x"
    while true do s = s .. s end
end }

return plugin
