-- The user workload on nginx's Lua module, with LuaSQL, which has no prepared statements for
-- SQLite.
-- luacheck: globals ngx
local sqlite3 = require "luasql.sqlite3"
local reply = require "reply"

local M = {}

local connection

local function db()
    if not connection then
        connection = assert(sqlite3.sqlite3():connect(os.getenv("DB")))
    end
    return connection
end

function M.run()
    local id = tonumber(ngx.var.uri:sub(#"/users/" + 1))
    if not id or id < 1 or id % 1 ~= 0 or id > 2 ^ 53 then
        return reply.refuse(400, "id must be an integer")
    end
    local sql = ("select id, name, email from users where id = %d"):format(id)
    local cursor = assert(db():execute(sql))
    local row = cursor:fetch({}, "a")
    cursor:close()
    if not row then
        return reply.refuse(404, "no such user")
    end
    return reply.json(row)
end

return M
