-- What both workloads answer with: a JSON body of known length, or a refusal.
-- luacheck: globals ngx
local cjson = require "cjson.safe"

local M = {}

function M.json(value)
    local body = cjson.encode(value)
    ngx.header.content_length = #body
    ngx.print(body)
end

function M.refuse(status, detail)
    ngx.status = status
    M.json { status = status, detail = detail }
end

return M
