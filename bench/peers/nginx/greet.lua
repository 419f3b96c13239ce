-- The greet workload on nginx's Lua module, with lua-cjson.
-- luacheck: globals ngx
local cjson = require "cjson.safe"
local reply = require "reply"

local M = {}

local function valid(input)
    return type(input) == "table"
        and type(input.name) == "string" and #input.name >= 1 and #input.name <= 64
        and type(input.items) == "table" and #input.items <= 100
end

function M.run()
    if ngx.req.get_method() ~= "POST" then
        return reply.refuse(405, "only POST")
    end
    ngx.req.read_body()
    local input = cjson.decode(ngx.req.get_body_data() or "")
    if not valid(input) then
        return reply.refuse(400, "name and items are required")
    end
    local sum, items = 0, input.items
    for i = 1, #items do
        local item = items[i]
        if type(item) ~= "number" or item % 1 ~= 0 then
            return reply.refuse(400, "items must be integers")
        end
        sum = sum + item
    end
    return reply.json { greeting = "Hello, " .. input.name .. "!", sum = sum }
end

return M
