-- attack: objects that look like the host's
-- in: Lua
-- stopped by: methods know their own objects
-- answer: 200
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "forged_handles", version = "1.0.0", layer = "innovation", needs = { "db" } }
plugin:query "attack" { output = t.any, run = function(ctx)
    local real = ctx.db
    for _, forged in ipairs { {}, "db", 42, true, setmetatable({}, { __index = real }), coroutine.create(print), ctx } do
        if pcall(real.all, forged, "select 1") then return false end
    end
    return getmetatable(real) ~= nil and type(getmetatable(real)) ~= "table" and not pcall(setmetatable, real, {})
end }

return plugin
