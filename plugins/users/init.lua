-- users: the user centre. Who a user is and how to reach them; other plugins refer to users by id.
local pinion = require "pinion"
local email = require "email"
local t = pinion.types

local users = pinion.plugin {
    name = "users", version = "1.0.0",
    layer = "record", owner = "team-identity",
    summary = "Registers users and finds them again.",
    needs = { "db" },
}

local id = t.integer { min = 1, description = "given by register" }
local name = t.string { min_length = 1, max_length = 100 }

local user = { id = id, email = t.string, name = t.string, registered_at = t.timestamp }
local columns = "id, email, name, registered_at"

users:command "register" {
    summary = "Adds a user. One email address belongs to one user.",
    http = "POST /users",
    input = { email = t.string { max_length = 254 }, name = name },
    output = user,
    errors = { invalid_email = 422, email_taken = 409 },
    run = function(ctx, input)
        local address = email.normalise(input.email)
            or ctx:fail("invalid_email", { email = input.email })
        -- The unique index decides, not a look beforehand: two calls at once cannot both win.
        return ctx.db:one("insert into users(email, name, registered_at) values ($1, $2, $3)"
                .. " on conflict(email) do nothing returning " .. columns,
            address, input.name, ctx.clock:timestamp())
            or ctx:fail("email_taken", { email = address })
    end,
}

users:query "get" {
    summary = "One user by id.",
    http = "GET /users/{id}",
    input = { id = id },
    output = user,
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("select " .. columns .. " from users where id = $1", input.id)
            or ctx:fail("not_found", { id = input.id })
    end,
}

users:query "find" {
    summary = "The user with this email address.",
    http = "GET /users",
    input = { email = t.string { max_length = 254 } },
    output = user,
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("select " .. columns .. " from users where email = $1",
            email.normalise(input.email))
            or ctx:fail("not_found", { email = input.email })
    end,
}

users:command "rename" {
    summary = "Gives a user another name.",
    http = "PATCH /users/{id}",
    input = { id = id, name = name },
    output = user,
    errors = { not_found = 404 },
    run = function(ctx, input)
        return ctx.db:one("update users set name = $2 where id = $1 returning " .. columns,
            input.id, input.name)
            or ctx:fail("not_found", { id = input.id })
    end,
}

return users
