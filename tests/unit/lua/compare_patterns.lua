-- Compares the pattern functions of two string libraries on random patterns and subjects; run by
-- test_strings.c with (stock, own, number of pairs, seed). Raises at the first difference.
local stock, own, pairs_wanted, seed = ...

math.randomseed(seed)

local atoms = {
    "a", "b", ".", "%a", "%d", "%s", "%w", "%x", "%l", "%u", "%p", "%A", "%S", "%z", "%Q",
    "[ab]", "[^a]", "[a-c]", "[%d_]", "[]]", "[^]]", "[a-]", "[%-a]", "[a", "[", "[%", "]",
    "()", "(", ")", "%0", "%1", "%2", "%b()", "%bab", "%f[a]", "%f[%w]", "%f[^a]",
    "^", "$", "%", "%%", "%.", "-", "x", "\0", "é",
}
local suffixes = { "", "", "", "", "*", "+", "-", "?" }
local letters = {
    "a", "b", "c", "x", "1", "_", " ", "(", ")", ".", "\n", "\0", "A", "é", "%", "-", "]",
}
local templates = { "", "x", "<%0>", "%1", "%2%1", "%%", "%", "%q", "[%0%1]" }

local function pick(list)
    return list[math.random(#list)]
end

local function make(list, most, more)
    local out = {}
    for i = 1, math.random(0, most) do
        out[i] = pick(list) .. (more and pick(more) or "")
    end
    return table.concat(out)
end

-- All that gmatch yields, as text, and how it ended.
local function all(gmatch, subject, pattern, init)
    local out = {}
    local ok, err = pcall(function()
        for a, b, c in gmatch(subject, pattern, init) do
            out[#out + 1] = tostring(a) .. "|" .. tostring(b) .. "|" .. tostring(c)
            if #out > 100 then
                break
            end
        end
    end)
    return table.concat(out, ";"), ok or err
end

local function same(what, subject, pattern, expected, got)
    local equal = expected.n == got.n
    for i = 1, expected.n do
        equal = equal and expected[i] == got[i]
    end
    if equal then
        return
    end
    for i = 1, math.max(expected.n, got.n) do
        expected[i], got[i] = tostring(expected[i]), tostring(got[i])
    end
    error(("%s(%q, %q): stock %s, own %s"):format(what, subject, pattern,
        table.concat(expected, " , "), table.concat(got, " , ")))
end

local function both(name, subject, pattern, ...)
    same(name, subject, pattern, table.pack(pcall(stock[name], subject, pattern, ...)),
        table.pack(pcall(own[name], subject, pattern, ...)))
end

local function upper(text)
    return text ~= "a" and tostring(text):upper()
end

for _ = 1, pairs_wanted do
    local subject, pattern = make(letters, 12), make(atoms, 6, suffixes)
    local init = math.random(-4, 14)
    both("find", subject, pattern, init)
    both("match", subject, pattern)
    same("gmatch", subject, pattern, table.pack(all(stock.gmatch, subject, pattern, init)),
        table.pack(all(own.gmatch, subject, pattern, init)))
    local most = math.random(0, 3) > 0 and math.random(0, 4) or nil
    both("gsub", subject, pattern, pick(templates), most)
    both("gsub", subject, pattern, upper)
    both("gsub", subject, pattern, { a = "1", b = false, ab = 2 })
end
