-- attack: a variable that is closed loops for ever
-- in: Lua
-- stopped by: the CPU budget
-- answer: 500 cpu_limit
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "loop_in_close", version = "1.0.0", layer = "innovation" }
plugin:query "attack" { output = t.any, run = function(ctx)
    for _ = 1, 2 do
        pcall(function()
            local _ <close> = setmetatable({}, { __close = function() while true do end end })
            error("out of here")
        end)
    end
end }

return plugin
