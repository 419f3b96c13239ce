-- pinion: how a plugin says what it is and what it can do. It defines; it does nothing.
local host = ...
local pinion = { types = require "pinion.types", null = host.null, version = host.version }

-- Marks a table as a JSON array, so that an empty one is [] and not {}.
pinion.array = host.array

local Plugin = { __metatable = "pinion.plugin" }
Plugin.__index = Plugin

-- pinion.plugin { name = "orders", version = "1.4.0", … }
function pinion.plugin(fields)
    if type(fields) ~= "table" then
        error("pinion.plugin takes a table, got " .. type(fields), 2)
    end
    local plugin = { fields = fields, where = host.where(2), capabilities = {}, types = {} }
    return setmetatable(plugin, Plugin)
end

-- orders:type "line" { … }: gives the type; t.ref "line" means the same.
function Plugin:type(name)
    local where = host.where(2)
    return function(of)
        if type(of) ~= "table" then
            error("type '" .. tostring(name) .. "' takes a type or a table of members, got "
                .. type(of), 2)
        end
        self.types[#self.types + 1] = { name = name, of = of, where = where }
        return pinion.types.ref(name)
    end
end

local function declare(plugin, kind, name, fields, where)
    if type(fields) ~= "table" then
        error(kind .. " '" .. tostring(name) .. "' takes a table, got " .. type(fields), 3)
    end
    local capability = { kind = kind, name = name, fields = fields, where = where }
    plugin.capabilities[#plugin.capabilities + 1] = capability
end

-- orders:query "get" { … }; the same for command and action.
for _, kind in ipairs { "query", "command", "action" } do
    Plugin[kind] = function(self, name)
        local where = host.where(2)
        return function(fields)
            declare(self, kind, name, fields, where)
            return self
        end
    end
end

return pinion
