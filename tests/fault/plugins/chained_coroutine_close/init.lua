-- attack: 20,000 coroutines that close each other
-- in: C
-- stopped by: a stack of our own for each call
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "chained_coroutine_close", version = "1.0.0", layer = "innovation", limits = { memory_mb = 256, cpu_ms = 1000 } }
plugin:query "attack" { output = t.any, run = function(ctx)
    local chain
    for _ = 1, 20000 do
        local before = chain
        chain = coroutine.create(function()
            local _ <close> = setmetatable({}, { __close = function() if before then coroutine.close(before) end end })
            coroutine.yield()
        end)
        coroutine.resume(chain)
    end
    coroutine.close(chain)
    return true
end }

return plugin
