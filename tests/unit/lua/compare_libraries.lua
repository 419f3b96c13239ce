-- Own library functions against stock Lua's: the same results and errors for random arguments.
-- Arguments: the stock libraries, the own ones ({ string = …, table = …, utf8 = … }), how many calls
-- of each function, a seed.
local stock, own, rounds, seed = ...

math.randomseed(seed)
local random = math.random

local function pick(list) return list[random(#list)] end

local edges = { 0, 1, -1, 2, 3, 5, -2, -5, 10, 100, 1.0, 2.5, math.maxinteger, math.mininteger,
    math.maxinteger - 1, math.mininteger + 1, 2^53, 2^63, 1/0, -1/0, 0/0, "3", "x", "0x10" }

local function integer() return random() < 0.8 and random(-8, 12) or pick(edges) end

local function bytes(n)
    local out = {}
    for i = 1, random(0, n) do
        local kind = random()
        if kind < 0.5 then out[i] = string.char(random(32, 126))
        elseif kind < 0.7 then out[i] = utf8.char(random(0x80, 0x10FFFF))
        elseif kind < 0.8 then out[i] = utf8.char(random(0x80, 0x7FFFFFFF))
        else out[i] = string.char(random(0, 255)) end
    end
    return table.concat(out)
end

local function value()
    local kind = random()
    if kind < 0.3 then return integer()
    elseif kind < 0.5 then return bytes(6)
    elseif kind < 0.6 then return random() * 10 ^ random(-300, 300)
    elseif kind < 0.7 then return pick { true, false }
    elseif kind < 0.75 then return nil
    elseif kind < 0.8 then return setmetatable({}, { __tostring = function() return "itself" end })
    elseif kind < 0.82 then return setmetatable({}, { __tostring = function() return 1 end, __name = "N" })
    else return pick(edges) end
end

local function list()
    local t = {}
    for i = 1, random(0, 9) do t[i] = random() < 0.9 and pick { random(100), tostring(random(100)), 1.5 } or value() end
    return t
end

-- A copy that behaves like the list through metamethods only.
local function proxy(t)
    local shown = {}
    return setmetatable(shown, { __index = t, __newindex = function(_, k, v) t[k] = v end,
        __len = function() return #t end })
end

local function show(v, depth)
    if type(v) == "string" then return ("%q"):format(v) end
    if type(v) ~= "table" then return math.type(v) == "float" and ("%a"):format(v) or tostring(v) end
    if depth == 0 then return "{}" end
    local keys, out = {}, {}
    for k in next, v do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, k in ipairs(keys) do out[i] = "[" .. show(k, depth - 1) .. "]=" .. show(v[k], depth - 1) end
    return "{" .. table.concat(out, ",") .. "}"
end

local function outcome(...)
    local packed, out = table.pack(...), {}
    for i = 1, packed.n do out[i] = show(packed[i], 3) end
    return table.concat(out, " ")
end

local function copy(v)
    if type(v) ~= "table" or getmetatable(v) then return v end
    local out = {}
    for k, e in pairs(v) do out[k] = e end
    return out
end

-- `arguments` makes a fresh list of arguments and how many they are; tables are copied for each side.
local function compare(library, name, arguments)
    for _ = 1, rounds do
        local given = table.pack(arguments())
        local wrap = random() < 0.2
        local texts, lists = {}, {}
        for side, functions in ipairs { stock, own } do
            local mine, seen = {}, {}
            for i = 1, given.n do
                mine[i] = copy(given[i])
                if type(given[i]) == "table" and not getmetatable(given[i]) then
                    seen[#seen + 1] = mine[i]
                    if wrap then mine[i] = proxy(mine[i]) end
                end
            end
            texts[side] = outcome(pcall(functions[library][name], table.unpack(mine, 1, given.n)))
            texts[side] = texts[side]:gsub("0x%x+", "0x?"):gsub("to '[%w.?]+'", "to '?'")
            lists[side] = outcome(table.unpack(seen))
        end
        if texts[1] ~= texts[2] or lists[1] ~= lists[2] then
            error(("%s.%s(%s)\n stock: %s %s\n own:   %s %s"):format(library, name, outcome(table.unpack(given, 1, given.n)),
                texts[1], lists[1], texts[2], lists[2]), 0)
        end
    end
end

local function maybe(...)
    return table.unpack({ ... }, 1, random(0, select("#", ...)))
end

local function of_list(...)
    return list(), maybe(...)
end

compare("table", "concat", function() return of_list(pick { "", ",", 7, value() }, integer(), integer()) end)
compare("table", "insert", function()
    if random() < 0.5 then return list(), value() end
    return list(), maybe(integer(), value(), value())
end)
compare("table", "remove", function() return of_list(integer()) end)
compare("table", "unpack", function() return of_list(integer(), integer()) end)
compare("table", "move", function()
    local from = integer()
    local near = math.type(from) == "integer" and from > -100 and from < 1000
    local to = near and from + random(-2, 8) or from -- never many
    local target = random() < 0.3 and list() or nil
    return list(), from, to, integer(), target
end)
for _, f in ipairs { "concat", "insert", "remove", "unpack", "sort" } do
    compare("table", f, function() return value(), value(), value(), value() end)
end

compare("table", "sort", function()
    local t, words = {}, random() < 0.5
    for i = 1, random(0, random() < 0.1 and 300 or 12) do
        t[i] = words and tostring(random(50)) or random(50)
    end
    if random() < 0.1 and #t > 1 then return t, 7 end
    if random() < 0.5 then return t, function(a, b) return a > b end end
    return t
end)

local specs = { "d", "i", "u", "c", "x", "X", "o", "a", "A", "e", "E", "f", "g", "G", "s", "q", "F", "z", "" }
compare("string", "format", function()
    local out, arguments = {}, {}
    for i = 1, random(0, 4) do
        local flags = ""
        for _ = 1, random(0, 3) - 1 do flags = flags .. pick { "-", "+", " ", "#", "0", "5", "12", "99", "123" } end
        if random() < 0.3 then flags = flags .. "." .. pick { "", "0", "3", "20", "99", "100" } end
        out[i] = pick { "", "text", "%%", "\0" } .. "%" .. flags .. pick(specs)
        arguments[i] = random() < 0.5 and integer() or value()
        if random() < 0.1 then arguments[i] = bytes(300) end
    end
    return table.concat(out), table.unpack(arguments, 1, random() < 0.9 and #out or random(0, #out))
end)

compare("string", "rep", function() return bytes(6), random(-2, 40), random() < 0.5 and bytes(3) or nil end)
compare("string", "rep", function() -- stock Lua repeats nothing for as long as it is told to
    local text = value()
    if text == "" then text = "text" end
    return text, pick { 3, "x", 1 << 40, value() }, value()
end)
for _, f in ipairs { "lower", "upper", "reverse" } do
    compare("string", f, function() return random() < 0.9 and bytes(30) or value() end)
end

compare("utf8", "len", function() return bytes(10), maybe(integer(), integer(), value()) end)
compare("utf8", "codepoint", function() return bytes(10), maybe(integer(), integer(), value()) end)
compare("utf8", "offset", function() return bytes(10), maybe(integer(), integer()) end)
compare("utf8", "char", function() return maybe(random(0, 0x7FFFFFFF), integer(), random(0, 300), value()) end)

-- Iterators run in step.
for _ = 1, rounds do
    local s, lax = bytes(8), random() < 0.5
    local texts = {}
    for side, functions in ipairs { stock, own } do
        local seen = {}
        local ok, err = pcall(function()
            for p, c in functions.utf8.codes(s, lax) do seen[#seen + 1] = p .. ":" .. c end
        end)
        texts[side] = table.concat(seen, " ") .. " " .. tostring(ok or err:gsub("^.-: ", ""))
    end
    assert(texts[1] == texts[2], texts[1] .. "\n" .. texts[2])
end

-- Sort: stable, a permutation whatever the comparison says, and nothing lost when it fails.
for _ = 1, rounds do
    local t, copied, same = {}, {}, true
    for i = 1, random(0, 60) do t[i] = { key = random(5), place = i } copied[i] = t[i] end
    own.table.sort(t, function(a, b) return a.key < b.key end)
    for i = 2, #t do
        assert(t[i - 1].key < t[i].key or (t[i - 1].key == t[i].key and t[i - 1].place < t[i].place))
    end
    pcall(own.table.sort, t, function() return random() < 0.5 end)
    local seen = {}
    for _, e in ipairs(t) do assert(not seen[e]) seen[e] = true end
    for _, e in ipairs(copied) do same = same and seen[e] end
    assert(same and #t == #copied)
    local before = table.move(t, 1, #t, 1, {})
    local left = random(0, 100)
    pcall(own.table.sort, t, function(a, b) left = left - 1 if left < 0 then error("stop") end return a.place < b.place end)
    if left < 0 then for i, e in ipairs(before) do assert(t[i] == e) end end
end
