-- attack: everything reachable is searched for the registry, its references and host pointers
-- in: Lua
-- stopped by: no table of the host is reachable, and none of its userdata has one
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "registry_hunt", version = "1.0.0", layer = "innovation", needs = { "db" } }

-- The names under which Lua and its library keep what a plugin must not have.
local forbidden = { _LOADED = true, _PRELOAD = true, ["FILE*"] = true, _CLIBS = true, _HOOKKEY = true }

local function is_registry(value)
    for key, item in next, value do
        if forbidden[key] then
            return item ~= nil
        end
    end
    return type(rawget(value, 1)) == "thread" and rawget(value, 2) == _G
end

local function found(value, seen)
    if value == nil or seen[value] then
        return false
    end
    seen[value] = true
    local meta = type(value) ~= "string" and getmetatable(value)
    if type(meta) == "table" and found(meta, seen) then
        return true
    end
    if type(value) ~= "table" then
        return false
    end
    if is_registry(value) then
        return true
    end
    for key, item in next, value do
        if found(key, seen) or found(item, seen) then
            return true
        end
    end
    return false
end

plugin:query "attack" { output = t.any, run = function(ctx)
    local kept = { ctx, ctx.db, ctx.log, ctx.request, coroutine.running(), pinion, _G, package, debug }
    local listed = { ctx.db.all, ctx.log.info, ctx.fail, string.gmatch("a", "a") }
    return not found({ kept, listed }, {}) and rawget(_G, "package") == nil
end }

return plugin
