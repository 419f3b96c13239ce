-- What counts as an email address, and when two of them are the same one.
local email = {}

-- One '@' between a local part and a domain with a dot. Whether mail arrives, only mail can say.
local shape = "^[^%s@]+@[^%s@%.]+%.[^%s@]+$"

-- The address as it is stored and compared, or nil when it is none.
function email.normalise(address)
    local trimmed = address:match("^%s*(.-)%s*$"):lower()
    return trimmed:match(shape)
end

return email
