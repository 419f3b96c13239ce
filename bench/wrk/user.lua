-- GET /users/{id}: all 10,000 ids in a random order, over and over. The requests are written before
-- the run so that the load generator does not become the bottleneck sooner than it must.
-- luacheck: globals wrk init request done
local ROWS = 10000
local requests, at = {}, 0

function init()
    math.randomseed(20240229)
    for id = 1, ROWS do
        requests[id] = wrk.format("GET", "/users/" .. id)
    end
    for i = ROWS, 2, -1 do
        local j = math.random(i)
        requests[i], requests[j] = requests[j], requests[i]
    end
end

function request()
    at = at % ROWS + 1
    return requests[at]
end

done = require("report").done
