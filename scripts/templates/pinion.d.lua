---@meta pinion

-- What a plugin can use, for the Lua language server (LuaCATS). Made by 'pinion client lua'; the
-- plugins' own capabilities are at the end. Give the server this file as a library, and say in a
-- plugin which one it is:
--
--     ---@type orders.Plugin
--     local orders = pinion.plugin { name = "orders", … }

---@class pinion
---@field types pinion.Types
---@field null pinion.Null JSON's null where nil would mean "not there"
---@field version string the host's version
local pinion = {}

---JSON's null.
---@class pinion.Null

---Begins a definition.
---@param definition pinion.Definition
---@return pinion.Plugin
function pinion.plugin(definition) end

---Marks a table as a JSON array, so that an empty one is [] under t.any; returns it.
---@generic T: table
---@param list T
---@return T
function pinion.array(list) end

---@class pinion.Definition
---@field name string a lower-case letter, then lower-case letters, digits, '_'
---@field version string MAJOR.MINOR.PATCH
---@field layer "record"|"differentiation"|"innovation"
---@field owner? string
---@field summary? string
---@field needs? string[] "db", "kv", "state", "http https://erp.example.com", "secret api_key"
---@field config? pinion.AnyType what the host's file has for this plugin
---@field limits? pinion.Limits

---@class pinion.Limits
---@field memory_mb? integer 64; Lua memory of one generation in one worker
---@field cpu_ms? integer 100; CPU time of one call
---@field wall_ms? integer 5000; from a call's arrival to its answer
---@field concurrency? integer 64; calls that have begun and not ended, in one worker
---@field rows? integer 10000; that ctx.db:all gives
---@field db_ms? integer none; that one SQL statement of ctx.db may run

---@alias pinion.AnyType pinion.Type|table<string, pinion.Type|table>

---@class pinion.Plugin
local Plugin = {}

---Names a type, which t.ref gives as well; it may contain itself.
---@param name string
---@return fun(of: pinion.AnyType): pinion.Type
function Plugin:type(name) end

---What reads.
---@param name string
---@return fun(capability: pinion.Capability): pinion.Plugin
function Plugin:query(name) end

---What reads and writes ctx.db and ctx.kv, in one transaction.
---@param name string
---@return fun(capability: pinion.Capability): pinion.Plugin
function Plugin:command(name) end

---What may call the world: ctx.http. Reads ctx.db as a query does.
---@param name string
---@return fun(capability: pinion.Capability): pinion.Plugin
function Plugin:action(name) end

---@class pinion.Capability
---@field run fun(ctx: pinion.CtxAll, input: table): any
---@field input? pinion.AnyType
---@field output? pinion.AnyType none: nothing is answered
---@field errors? table<string, integer> { not_found = 404 }
---@field http? string "GET /orders/{id}"
---@field headers? table<string, string> from members of the input to headers
---@field summary? string
---@field description? string
---@field deprecated? string what to use instead
---@field version? integer 1; several versions of one name may live side by side
---@field idempotent? boolean a second call with the same input changes nothing more
---@field cache? number|string of a query: how long its answers are kept, seconds or "5s"
---@field expose? "mcp"[]

-- ---- types

---A type. Called with constraints it gives a new one: t.integer { min = 1 }
---@class pinion.Type
---@operator call(pinion.Constraints): pinion.Type

---@class pinion.Constraints
---@field min? number of a number, inclusive
---@field max? number
---@field multiple_of? number
---@field min_length? integer of a string in characters, of bytes in bytes
---@field max_length? integer
---@field pattern? string of a string: a regular expression of ECMA-262
---@field format? string of a string: a format of JSON Schema, such as "email"
---@field items? integer|integer[] of an array or map: how many, or the least and the most
---@field min_items? integer
---@field max_items? integer
---@field unique? boolean of an array
---@field default? any a missing input member takes it
---@field example? any
---@field description? string
---@field deprecated? boolean
---@field optional? boolean
---@field nullable? boolean

---@class pinion.Types
---@field string pinion.Type
---@field integer pinion.Type 64 bits, exact
---@field number pinion.Type
---@field boolean pinion.Type
---@field timestamp pinion.Type a string, such as "2026-01-31T09:30:00Z"
---@field date pinion.Type a string, such as "2026-01-31"
---@field uuid pinion.Type a string
---@field decimal pinion.Type a string, such as "12.50"
---@field bytes pinion.Type a string of raw bytes; base64 in JSON
---@field any pinion.Type anything JSON
local types = {}

---A closed object; a plain table means the same.
---@param members table<string, pinion.Type|table>
---@return pinion.Type
function types.object(members) end

---@param of pinion.AnyType
---@return pinion.Type
function types.array(of) end

---@param of pinion.AnyType
---@return pinion.Type
function types.map(of) end

---@param choices string[]
---@return pinion.Type
function types.enum(choices) end

---The member may be missing.
---@param of pinion.AnyType
---@return pinion.Type
function types.optional(of) end

---Null is accepted.
---@param of pinion.AnyType
---@return pinion.Type
function types.nullable(of) end

---One of several objects; the member `tag` tells which.
---@param tag string
---@param variants table<string, table>
---@return pinion.Type
function types.union(tag, variants) end

---A type that the plugin names.
---@param name string
---@return pinion.Type
function types.ref(name) end

---JSON Schema 2020-12: a .json file of the plugin, or a table.
---@param schema string|table|boolean
---@return pinion.Type
function types.json_schema(schema) end

-- ---- ctx

---Belongs to one call.
---@class pinion.Ctx
---@field trace_id string 32 hex digits
---@field generation string "orders@1.4.0#7"
---@field request pinion.Request
---@field log pinion.Log
---@field clock pinion.Clock
---@field random pinion.Random
---@field crypto pinion.Crypto
---@field config table what the host's file has for this plugin; cannot be changed
---@field secrets table<string, string> those that needs names; cannot be changed
local Ctx = {}

---Ends the call with a declared error; does not return.
---@param code string
---@param details? any
---@return any
function Ctx:fail(code, details) end

---Of a plugin with needs = { "db" }.
---@class pinion.CtxDb: pinion.Ctx
---@field db pinion.Db

---Of an action of a plugin with needs = { "http https://…" }.
---@class pinion.CtxHttp: pinion.Ctx
---@field http pinion.Http

---@class pinion.HttpOptions
---@field headers? table<string, string|number|boolean>
---@field query? table<string, string|number|boolean> parameters added to the URL
---@field json? any the body, as JSON
---@field body? string the body, as it is
---@field timeout_ms? integer 10000; of each attempt, and never longer than the call has left
---@field retries? integer 0; 5 at most, of what may be sent twice
---@field redirects? integer 0; 10 at most, to origins that the needs name
---@field max_bytes? integer 1048576; of the answer's body

---@class pinion.HttpRequest: pinion.HttpOptions
---@field url string
---@field method? string "GET"

---@class pinion.HttpStreamOptions
---@field method? string "GET"
---@field headers? table<string, string|number|boolean>
---@field query? table<string, string|number|boolean> parameters added to the URL
---@field json? any the request's body, as JSON
---@field body? string the request's body, as it is
---@field timeout_ms? integer 10000; until the head of the answer
---@field retries? integer 0; 5 at most, of what may be sent twice
---@field redirects? integer 0; 10 at most, to origins that the needs name
---@field max_bytes? integer 1073741824; of the body that is passed on
---@field idle_ms? integer 30000; that the body may stand still

---What ctx.http:stream gives: only good as the result of the handler.
---@class pinion.HttpStream
---@field status integer
---@field headers table<string, string> names in lower case

---@class pinion.HttpResponse
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string
local HttpResponse = {}

---The body as a value; nil and an error where it is no JSON.
---@return any
---@return pinion.HttpError?
function HttpResponse:json() end

---@alias pinion.HttpErrorCode
---| "timeout"
---| "refused"
---| "dns"
---| "tls"
---| "denied"
---| "too_large"
---| "closed"
---| "garbled"
---| "circuit_open"
---| "too_many"
---| "internal"
---| "json"
---| "status"
---| "media_type"

---@class pinion.HttpError
---@field code pinion.HttpErrorCode
---@field message string names the origin and the reason
---@field attempts? integer
---@field status? integer of "status"

---@class pinion.Http
local Http = {}

---@param url string
---@param options? pinion.HttpOptions
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:get(url, options) end

---@param url string
---@param options? pinion.HttpOptions
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:head(url, options) end

---@param url string
---@param options? pinion.HttpOptions
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:post(url, options) end

---@param url string
---@param options? pinion.HttpOptions
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:put(url, options) end

---@param url string
---@param options? pinion.HttpOptions
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:patch(url, options) end

---@param url string
---@param options? pinion.HttpOptions
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:delete(url, options) end

---@param request pinion.HttpRequest
---@return pinion.HttpResponse?
---@return pinion.HttpError?
function Http:request(request) end

---Of a plugin with needs = { "kv" }.
---@class pinion.CtxKv: pinion.Ctx
---@field kv pinion.Kv

---Of a plugin with needs = { "state" }.
---@class pinion.CtxState: pinion.Ctx
---@field state pinion.State

---@class pinion.CtxAll: pinion.CtxDb, pinion.CtxKv, pinion.CtxState, pinion.CtxHttp

---@class pinion.Request
---@field method string
---@field path string as it was sent
---@field query string as it was sent, without the '?'
---@field headers table<string, string> names in lower case

---@alias pinion.Parameter string|number|boolean|pinion.Null|nil

---@class pinion.Db
local Db = {}

---The first row, or nil.
---@param sql string parameters are $1, $2
---@param ... pinion.Parameter
---@return table?
function Db:one(sql, ...) end

---The first column of the first row, or nil.
---@param sql string
---@param ... pinion.Parameter
---@return string|number|nil
function Db:value(sql, ...) end

---All rows, 10,000 at most.
---@param sql string
---@param ... pinion.Parameter
---@return table[]
function Db:all(sql, ...) end

---for row in ctx.db:each(…) do … end
---@param sql string
---@param ... pinion.Parameter
---@return fun(): table?
function Db:each(sql, ...) end

---Commands only: the number of rows changed.
---@param sql string
---@param ... pinion.Parameter
---@return integer
function Db:run(sql, ...) end

---@class pinion.TtlOptions
---@field ttl? number|string seconds, or such as "500ms", "30s", "5m", "2h", "7d"; none: for ever

---@class pinion.ScanOptions
---@field limit? integer 1 to 1000; none: 100
---@field after? string the key to go on behind

---Durable pairs of a key (1 to 512 bytes of UTF-8) and a JSON value (64 KiB), in the command's
---transaction.
---@class pinion.Kv
local Kv = {}

---@param key string
---@return any value nil: not there
function Kv:get(key) end

---Commands only.
---@param key string
---@param value any not nil
---@param options? pinion.TtlOptions
function Kv:set(key, value, options) end

---Commands only: whether it was there.
---@param key string
---@return boolean
function Kv:delete(key) end

---Commands only: sets it if it is what is expected (nil: not there), and says whether it was.
---@param key string
---@param expected any
---@param value any not nil
---@param options? pinion.TtlOptions
---@return boolean
function Kv:cas(key, expected, value, options) end

---Commands only: the sum. One that is not there is made from 0, and takes the options.
---@param key string
---@param by? integer 1
---@param options? pinion.TtlOptions
---@return integer
function Kv:incr(key, by, options) end

---Pairs whose keys begin with `prefix`, in order of their keys.
---@param prefix string
---@param options? pinion.ScanOptions
---@return { key: string, value: any }[]
function Kv:scan(prefix, options) end

---Pairs in memory that all workers share; not durable, no transaction, and bounded: what was not
---used for longest makes room.
---@class pinion.State
local State = {}

---@param key string
---@return any value nil: not there
function State:get(key) end

---@param key string
---@param value any not nil
---@param options? pinion.TtlOptions
function State:set(key, value, options) end

---Sets it if it is not there, and says whether it did.
---@param key string
---@param value any not nil
---@param options? pinion.TtlOptions
---@return boolean
function State:add(key, value, options) end

---Whether it was there.
---@param key string
---@return boolean
function State:delete(key) end

---Sets it if it is what is expected (nil: not there), and says whether it was.
---@param key string
---@param expected any
---@param value any not nil
---@param options? pinion.TtlOptions
---@return boolean
function State:cas(key, expected, value, options) end

---The sum, atomically. One that is not there is made from 0, and takes the options.
---@param key string
---@param by? integer 1
---@param options? pinion.TtlOptions
---@return integer
function State:incr(key, by, options) end

---@class pinion.Log
local Log = {}

---@param text string
---@param fields? table<string, string|number|boolean>
function Log:debug(text, fields) end

---@param text string
---@param fields? table<string, string|number|boolean>
function Log:info(text, fields) end

---@param text string
---@param fields? table<string, string|number|boolean>
function Log:warn(text, fields) end

---@param text string
---@param fields? table<string, string|number|boolean>
function Log:error(text, fields) end

---@class pinion.Clock
local Clock = {}

---Milliseconds since 1970 UTC.
---@return integer
function Clock:now() end

---"2026-11-23T07:52:50.975Z"
---@return string
function Clock:timestamp() end

---Seconds, for measuring spans.
---@return number
function Clock:monotonic() end

---@class pinion.Random
local Random = {}

---Both included; not for secrets.
---@param min integer
---@param max integer
---@return integer
function Random:integer(min, max) end

---From 0 up to, not including, 1; not for secrets.
---@return number
function Random:number() end

---From the kernel; fit for secrets.
---@param digits integer 1 to 256
---@return string
function Random:hex(digits) end

---Version 4, from the kernel.
---@return string
function Random:uuid() end

---@class pinion.Crypto
local Crypto = {}

---@alias pinion.HashForm "hex"|"raw"

---@param text string
---@param form? pinion.HashForm "hex"
---@return string
function Crypto:sha256(text, form) end

---@param text string
---@param form? pinion.HashForm "hex"
---@return string
function Crypto:sha384(text, form) end

---@param text string
---@param form? pinion.HashForm "hex"
---@return string
function Crypto:sha512(text, form) end

---@param hash "sha256"|"sha384"|"sha512"
---@param key string
---@param text string
---@param form? pinion.HashForm "hex"
---@return string
function Crypto:hmac(hash, key, text, form) end

---From the kernel; fit for secrets.
---@param count integer 1 to 65536
---@return string
function Crypto:random_bytes(count) end

---How long it takes tells nothing about where they differ.
---@param a string
---@param b string
---@return boolean
function Crypto:equal(a, b) end

---@param bytes string
---@return string
function Crypto:hex(bytes) end

---@param text string
---@return string? bytes
---@return string? reason
function Crypto:from_hex(text) end

---Padded.
---@param bytes string
---@return string
function Crypto:base64(bytes) end

---@param text string
---@return string? bytes
---@return string? reason
function Crypto:from_base64(text) end

---Without padding.
---@param bytes string
---@return string
function Crypto:base64url(bytes) end

---@param text string
---@return string? bytes
---@return string? reason
function Crypto:from_base64url(text) end

---Of Ed25519, 32 raw bytes each.
---@return { public: string, private: string }
function Crypto:keypair() end

---@param private string 32 bytes
---@param text string 128 KiB at most
---@return string signature 64 bytes
function Crypto:sign(private, text) end

---@param public string 32 bytes
---@param text string 128 KiB at most
---@param signature string
---@return boolean
function Crypto:verify(public, text, signature) end

---AES-256-GCM: nonce, cipher text and tag in one.
---@param key string 32 bytes
---@param text string
---@param additional? string proven too, and not in the result
---@return string sealed 28 bytes longer
function Crypto:encrypt(key, text, additional) end

---@param key string 32 bytes
---@param sealed string
---@param additional? string
---@return string? text
---@return string? reason
function Crypto:decrypt(key, sealed, additional) end

---@class pinion.PasswordCosts
---@field memory_kib? integer 19456; 7168 to 65536
---@field passes? integer 2; 1 to 10
---@field lanes? integer 1; 1 to 16

---Argon2id; suspends the call. Queries and actions only.
---@param password string 1 to 4096 bytes
---@param costs? pinion.PasswordCosts
---@return string hash in PHC form
function Crypto:hash_password(password, costs) end

---Suspends the call. Queries and actions only.
---@param password string
---@param hash string in PHC form
---@return boolean? fits nil: the hash cannot be understood, or costs too much
---@return boolean|string outdated it fits and should be made anew; or the reason
function Crypto:verify_password(password, hash) end
