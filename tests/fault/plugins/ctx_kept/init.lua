-- attack: the ctx of a call before is used
-- in: Lua
-- stopped by: a ctx knows its call
-- answer: 500 internal
local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin { name = "ctx_kept", version = "1.0.0", layer = "innovation" }
kept = nil
plugin:query "attack" { output = t.any, run = function(ctx)
    local before = kept
    kept = ctx
    if before then return before.trace_id end
    kept = ctx
    error("kept")
end }

return plugin
