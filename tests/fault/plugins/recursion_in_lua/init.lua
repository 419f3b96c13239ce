-- attack: a function that calls itself
-- in: Lua
-- stopped by: the size of the stack
-- answer: 500 memory_limit or internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "recursion_in_lua", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    local function deeper(n) return 1 + deeper(n + 1) end
    return deeper(1)
end }

return plugin
