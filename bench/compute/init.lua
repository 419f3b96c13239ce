-- Runs one work of work.lua and tells the seconds of CPU time it took.
local pinion = require "pinion"
local t = pinion.types
local work = require "work"

local bench = pinion.plugin {
    name = "bench_compute", version = "1.0.0", layer = "innovation",
    limits = { cpu_ms = 60000, wall_ms = 600000, memory_mb = 256 },
}

bench:query "run" {
    input = { work = t.string },
    output = { seconds = t.number, result = t.number },
    run = function(_, input)
        local begun = os.clock()
        local result = work[input.work]()
        return { seconds = os.clock() - begun, result = result }
    end,
}

return bench
