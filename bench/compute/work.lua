-- Work for one processor and no other facility: what both Pinion and stock Lua run, timed by os.clock.
local work = {}

function work.calls()
    local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
    return fib(30)
end

function work.loops()
    local sum = 0.0
    for i = 1, 20000000 do sum = sum + i % 7 * 0.5 end
    return sum
end

function work.tables()
    local sum = 0
    for _ = 1, 60 do
        local list = {}
        for i = 1, 20000 do list[i] = i end
        for i = 1, #list do sum = sum + list[i] end
    end
    return sum
end

function work.objects()
    local Point = {}
    Point.__index = Point
    function Point.add(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Point) end
    local sum, one = setmetatable({ x = 0, y = 0 }, Point), setmetatable({ x = 1, y = 2 }, Point)
    for _ = 1, 1500000 do sum = sum:add(one) end
    return sum.x + sum.y
end

function work.strings()
    local parts = {}
    for i = 1, 200000 do parts[#parts + 1] = ("%d:%s"):format(i, ("x"):rep(i % 10)) end
    local text = table.concat(parts, ",")
    local count = select(2, text:gsub("%d+:x*", "")) + #text:upper()
    return count
end

function work.sort()
    local list, seed = {}, 42
    for i = 1, 150000 do
        seed = (seed * 1103515245 + 12345) % 2147483648
        list[i] = seed
    end
    table.sort(list)
    table.sort(list, function(a, b) return a > b end)
    return list[1]
end

function work.coroutines()
    local sum = 0
    for _ = 1, 30 do
        for i in coroutine.wrap(function() for i = 1, 20000 do coroutine.yield(i) end end) do
            sum = sum + i
        end
    end
    return sum
end

return work
