-- pinion.types: describes the values that capabilities take and give.
-- A description is plain data; the host reads it when the plugin is loaded and refuses what it
-- does not understand.
local types = {}

local fixed = {
    kind = true, of = true, members = true, choices = true, optional = true, nullable = true,
    tag = true, variants = true, name = true, schema = true, file = true,
}

local Type = { __metatable = "pinion.type" }

local function describe(fields)
    return setmetatable(fields, Type)
end

local function copy(source)
    local fields = {}
    for name, value in next, source do
        fields[name] = value
    end
    return fields
end

-- t.integer { min = 1 }: the same type with constraints.
function Type.__call(self, constraints)
    if type(constraints) ~= "table" then
        error("a type is called with a table of constraints, such as t.integer { min = 1 }", 2)
    end
    local fields = copy(self)
    for name, value in next, constraints do
        if fixed[name] or type(name) ~= "string" then
            error("'" .. tostring(name) .. "' is not a constraint of t." .. self.kind, 2)
        end
        fields[name] = value
    end
    return describe(fields)
end

local scalars = {
    "any", "boolean", "integer", "number", "string", "timestamp", "date", "uuid", "decimal",
    "bytes", "stream",
}
for _, kind in ipairs(scalars) do
    types[kind] = describe { kind = kind }
end

-- A plain table stands for a closed object wherever a type is expected.
local function as_type(of, name)
    if type(of) ~= "table" then
        error("t." .. name .. " takes a type, got " .. type(of), 3)
    end
    if getmetatable(of) == "pinion.type" then
        return of
    end
    return describe { kind = "object", members = of }
end

function types.object(members)
    if getmetatable(members) == "pinion.type" then
        error("t.object takes a table of members, got t." .. members.kind, 2)
    end
    return describe { kind = "object", members = as_type(members, "object").members }
end

function types.array(of)
    return describe { kind = "array", of = as_type(of, "array") }
end

function types.map(of)
    return describe { kind = "map", of = as_type(of, "map") }
end

function types.enum(choices)
    return describe { kind = "enum", choices = choices }
end

function types.optional(of)
    local fields = copy(as_type(of, "optional"))
    fields.optional = true
    return describe(fields)
end

function types.nullable(of)
    local fields = copy(as_type(of, "nullable"))
    fields.nullable = true
    return describe(fields)
end

-- The value of the tag that an object of a list stands for: its member is an enum of one choice.
local function named_by_tag(object, tag)
    local members = copy(getmetatable(object) == "pinion.type" and object.members or object)
    local choices = type(members[tag]) == "table" and members[tag].choices
    if type(choices) ~= "table" or #choices ~= 1 then
        error("each object in the list of t.union names itself: " .. tag
            .. ' = t.enum { "its name" }', 4)
    end
    members[tag] = nil
    return choices[1], members
end

local function variants_of(fields, tag)
    local variants, listed = {}, #fields
    for name, of in next, fields do
        if math.type(name) == "integer" and name >= 1 and name <= listed then
            local own, members = named_by_tag(as_type(of, "union"), tag)
            variants[own] = members
        elseif name ~= "tag" then
            variants[name] = of
        end
    end
    return variants
end

-- One of several objects; the member `tag` tells which:
-- t.union { tag = "kind", card = { number = t.string }, cash = {} }
-- t.union("kind", { card = { number = t.string }, cash = {} }) means the same.
function types.union(tag, variants)
    if type(tag) == "table" and variants == nil then
        tag, variants = tag.tag, tag
    end
    if type(tag) ~= "string" or type(variants) ~= "table" then
        error("t.union takes the name of the tag and objects by name, such as "
            .. 't.union { tag = "kind", cash = {} }', 2)
    end
    return describe { kind = "union", tag = tag, variants = variants_of(variants, tag) }
end

-- A type that the plugin names with plugin:type "line" { … }, also one that is defined later or
-- contains itself.
function types.ref(name)
    if type(name) ~= "string" then
        error("t.ref takes the name of a type, got " .. type(name), 2)
    end
    return describe { kind = "ref", name = name }
end

-- JSON Schema 2020-12 as it is: a .json file of the plugin, or a table.
function types.json_schema(schema)
    if type(schema) == "string" then
        return describe { kind = "json_schema", file = schema }
    end
    if type(schema) ~= "table" and type(schema) ~= "boolean" then
        error("t.json_schema takes the name of a file or a table, got " .. type(schema), 2)
    end
    return describe { kind = "json_schema", schema = schema }
end

return setmetatable(types, {
    __index = function(_, name)
        error("there is no type t." .. tostring(name), 2)
    end,
    __metatable = "pinion.types",
})
