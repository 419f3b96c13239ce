"""What plugin code can reach: nothing but what it was given; and what its failures show, to whom,
and leave behind."""

import time

import e2e_host
import e2e_plugins
import pytest

PROBE = """
plugin:query "run" { input = { code = t.string }, output = t.nullable(t.any),
    run = function(ctx, input)
    local f, message = load(input.code, "=probe", "t", setmetatable({ ctx = ctx }, { __index = _G }))
    if not f then return { failed = message } end
    local ok, result = pcall(f)
    if not ok then return { failed = tostring(result) } end
    return result
end }
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    plugin = folder / "plugins" / "probe"
    e2e_host.write(plugin / "init.lua", e2e_plugins.plugin(PROBE, name="probe"))
    e2e_host.write(plugin / "own.lua", "return { name = ... }\n")
    e2e_host.write(plugin / "sub" / "own.lua", "return { name = ... }\n")
    e2e_host.write(folder / "plugins" / "secret.lua", "return 'secret'\n")
    e2e_host.write(folder / "plugins" / "other" / "init.lua", e2e_plugins.constant(1, "other"))
    host = e2e_host.Host(folder, folder / "plugins", mode="serve")
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()


def run(host, code):
    return host.ok("probe.run", {"code": code})


@pytest.mark.parametrize("name", [
    "io", "debug", "package", "dofile", "loadfile", "loadstring", "os.execute", "os.exit",
        "os.getenv", "os.remove", "os.rename",
    "os.tmpname", "os.setlocale", "string.dump", "module", "host", "warn", "arg", "jit", "ffi",
])
def test_there_is_no_way_to_the_outside(host, name):
    assert run(host, f"return {{ is = type({name}) }}") == {"is": "nil"}


@pytest.mark.parametrize("code", [
    'return require "../secret"', 'return require "..secret"', 'return require "/etc/passwd"',
        'return require "secret"',
    'return require "../other/init"', 'return require "other.init"', 'return require "other"',
        'return require ""',
    'return require "."', 'return require "sub/own"', 'return require "./own"',
        'return require "io"',
    'return require "debug"', 'return require "os"', 'return require "pinion.nothing"',
        'return require "pinion.../own"',
    'return require "migrations.0001"', 'return require(1)', 'return require {}',
])
def test_require_finds_own_files_only(host, code):
    assert "failed" in run(host, code)


def test_require_finds_own_files_and_pinion(host):
    assert run(host,
        'return { (require "own").name, (require "sub.own").name, require "own" == require "own" }') == \
        ["own", "sub.own", True]
    assert run(host, 'return type(require "pinion".plugin)') == "function"


@pytest.mark.parametrize("code, message", [
    (r'return load("\27Lua\x54\x00\x19\x93\r\n\x1a\n")', None),
    ("local f, m = load(42) return f", "source text"),
    ('return load("return 1", "x", "b")()', None),
    ('return setmetatable({}, { __gc = function() end })', "__gc"),
    ('return ctx.db', 'ctx.db is not declared: add "db" to the plugin\'s needs'),
    ('return ctx.kv', 'ctx.kv is not declared: add "kv" to the plugin\'s needs'),
    ('return ctx.state', 'ctx.state is not declared: add "state" to the plugin\'s needs'),
    ('return ctx.http', "http"),
    ('return ctx.nothing', "ctx has no 'nothing'"),
    ('ctx.x = 1', "ctx cannot be changed"),
    ('return ctx.fail("x")', "ctx"),
    ('return ctx:fail("undeclared")', "does not declare an error 'undeclared'"),
    ('return setmetatable(ctx, {})', ""),
    ('collectgarbage("stop")', 'only "count" is available'),
    ('return ctx.log.info("x")', "colon"),
])
def test_what_is_refused_says_why(host, code, message):
    result = run(host, code)
    if message is None:
        assert result is None or result == 1 or "failed" in result, result
    else:
        assert message in result["failed"], result


def test_metatables_of_the_host_are_hidden(host):
    assert run(host,
        'return { getmetatable(ctx), getmetatable(""), getmetatable(require "pinion.types") }') == \
        ["ctx", "string", "pinion.types"]


def test_what_a_call_changes_in_a_request_is_its_own(host):
    assert run(host,
        'ctx.request.path = "x" ctx.request.headers.host = "y" return { ctx.request.path, ctx.request.headers.host }') == \
        ["/call/probe.run", "test"]


def test_ctx_tells_its_call(host):
    told = run(host,
        "return { method = ctx.request.method, trace = ctx.trace_id, generation = ctx.generation }")
    assert told["method"] == "POST"
    assert len(told["trace"]) == 32
    assert told["generation"] == "probe@1.0.0#1"


# ---- calls that outlive themselves, yield, or never end well: each with a plugin of its own

def serve(folder, start_host, code, mode="serve", **options):
    e2e_host.write(folder / "plugins" / "probe" / "init.lua", e2e_plugins.handler(code, **options))
    return start_host(folder / "plugins", mode=mode)


def test_ctx_is_refused_after_its_call(folder, start_host):
    host = serve(folder, start_host, """
        if saved then
            local ok, message = pcall(function() return saved.trace_id end)
            local db_ok, db_message = pcall(function() return saved.db:one("select 1 as one") end)
            return { ok, message, db_ok, db_message }
        end
        saved = ctx
        return {}
    """, needs=["db"])
    with host.connect() as c:
        c.request("POST", "/call/probe.run", {})
        ok, message, db_ok, db_message = c.request("POST", "/call/probe.run", {}).json()
    assert (ok, db_ok) == (False, False)
    assert "after its call had ended" in message and "after its call had ended" in db_message


@pytest.mark.parametrize("kind", ["query", "action"])
@pytest.mark.parametrize("code", [
    'ctx.db:run("insert into rows(v) values (\'x\')")',
        'ctx.db:one("insert into rows(v) values (\'x\') returning id")',
    'ctx.db:all("delete from rows returning id")',
        'ctx.db:value("update rows set v = \'y\' returning id")',
    'ctx.db:one("pragma user_version = 7")', 'ctx.db:one("create table x (y)")',
        'ctx.db:one("begin")',
    'for _ in ctx.db:each("insert into rows(v) values (\'z\') returning id") do end',
    'ctx.db:one("attach \'/tmp/pinion-x.db\' as other")',
        'ctx.db:one("vacuum into \'/tmp/pinion-x.db\'")',
])
def test_what_only_reads_cannot_write(folder, start_host, kind, code):
    more = """plugin:query "count" { output = t.integer,
    run = function(ctx) return ctx.db:value("select count(*) from rows") end }"""
    e2e_host.write(folder / "plugins" / "probe" / "init.lua", e2e_plugins.plugin(f"""
plugin:{kind} "run" {{ run = function(ctx) {code} end }}
{more}
""", name="probe", needs=["db"]))
    e2e_host.write(folder / "plugins" / "probe" / "migrations" / "0001_rows.sql",
        "create table rows (id integer primary key, v text);")
    host = start_host(folder / "plugins", mode="serve")
    answer = host.call("probe.run")
    assert (answer.status, answer.json()["code"]) == (500, "internal")
    assert host.ok("probe.count") == 0


@pytest.mark.parametrize("mode, shown", [("serve", False), ("dev", True)])
def test_an_error_is_logged_whole_and_shown_in_dev_only(folder, start_host, mode, shown):
    host = serve(folder, start_host,
        'local function inner() error("secret detail") end\ninner()\nreturn 1', mode=mode)
    since = host.log_mark()
    answer = host.call("probe.run")
    problem = answer.json()
    assert (answer.status, problem["code"], problem["capability"]) == (500, "internal", "probe.run")
    line = host.wait_log(since, level="error", msg="call failed")
    assert line["trace_id"] == problem["trace_id"] == answer.headers["pinion-trace-id"]
    assert line["generation"] == answer.generation
    assert line["error"].startswith("probe/init.lua:7: secret detail")
    assert "probe/init.lua:8: in" in line["traceback"] and "inner" in line["traceback"]
    assert ("secret" in answer.body.decode()) == shown
    assert ("probe/init.lua:8: in" in answer.body.decode()) == shown


@pytest.mark.parametrize("code", [
    "error({ secret = 1 })", "error(nil)", "error()", "local x = nil; return x.y", "return 1 + {}",
        "error(setmetatable({}, {}))",
    "coroutine.yield(1)", "error(('x'):rep(1000000))",
        "local function f() return f() + 1 end return f()",
    "return setmetatable({}, { __index = function() error('x') end }).y", "error(ctx)",
        "return ('x'):rep(1e10)",
    "local t = setmetatable({}, { __close = function() error('closing') end }) local c <close> = t error('first')",
])
def test_every_kind_of_error_is_500_and_the_next_call_is_served(folder, start_host, code):
    host = serve(folder, start_host, f"if input.arg then return {{ ok = true }} end\ndo {code} end")
    for _ in range(3):
        answer = host.call("probe.run")
        assert answer.status == 500, answer
        slow = ("cpu_limit",) if e2e_host.IS_ASAN else ()  # it need not get to the end of the stack
        assert answer.json()["code"] in ("internal", "memory_limit", *slow)
        assert host.ok("probe.run", {"arg": 1}) == {"ok": True}


# ---- commands that fail leave no trace

def command(folder, start_host, code, **options):
    e2e_host.write(folder / "plugins" / "probe" / "init.lua", e2e_plugins.plugin(f"""
plugin:command "run" {{ input = {{ arg = t.optional(t.any) }}, errors = {{ no = 422 }}, output = {options.pop('output', 't.any')},
run = function(ctx, input)
{code}
end }}
plugin:command "add" {{ input = {{ v = t.string }},
    run = function(ctx, input) ctx.db:run("insert into rows(v) values ($1)", input.v) end }}
plugin:query "rows" {{ output = t.array(t.any),
    run = function(ctx) return ctx.db:all("select id, v from rows order by id") end }}
""", name="probe", needs=["db"], limits={"memory_mb": 16, "cpu_ms": 1000}))
    e2e_host.write(folder / "plugins" / "probe" / "migrations" / "0001_rows.sql",
                   "create table rows (id integer primary key, v text not null unique check (length(v) > 0));")
    return start_host(folder / "plugins", mode="serve", **options)


INSERT = """ctx.db:run("insert into rows(v) values ('one')") """


@pytest.mark.parametrize("code, status, problem", [
    (INSERT + 'error("late")', 500, "internal"),
    (INSERT + 'ctx:fail("no", { why = 1 })', 422, "no"),
    (INSERT + "return print", 500, "contract_output"),
    (INSERT + "local t = {} t.t = t return t", 500, "contract_output"),
    (INSERT + "return 0/0", 500, "contract_output"),
    (INSERT + r'return "\xff"', 500, "contract_output"),
    (INSERT + """ctx.db:run("insert into rows(v) values ('one')")""", 500, "internal"),
    (INSERT + """ctx.db:run("insert into nowhere values (1)")""", 500, "internal"),
    (INSERT + 'local s = {} while true do s[#s + 1] = ("x"):rep(100000) .. #s end', 500,
        "memory_limit"),
    (INSERT + "coroutine.yield()", 500, "internal"),
    (INSERT + 'ctx.db:run("commit")', 500, "internal"),
    (INSERT + 'ctx.db:run("rollback")', 500, "internal"),
    (INSERT + 'ctx.db:run("savepoint x")', 500, "internal"),
])
def test_a_command_that_fails_leaves_no_trace(folder, start_host, code, status, problem):
    host = command(folder, start_host, code)
    for _ in range(2):
        answer = host.call("probe.run")
        assert (answer.status, answer.json()["code"]) == (status, problem), answer
        assert host.ok("probe.rows") == []
    assert host.call("probe.add", {"v": "after"}).status == 204
    assert host.ok("probe.rows") == [{"id": 1, "v": "after"}]


def test_details_of_a_declared_error_come_along(folder, start_host):
    answer = command(folder, start_host,
        INSERT + 'ctx:fail("no", { why = 9007199254740993 })').call("probe.run")
    assert answer.json()["details"] == {"why": 9007199254740993}


@pytest.mark.parametrize("broken", [
    "insert into rows(v) values ('one')", "insert into rows(v) values ('')",
        "insert into nowhere values (1)", "syntax error"])
def test_a_command_whose_sql_failed_is_not_committed(folder, start_host, broken):
    """Also when its code caught the error and went on as if nothing had happened."""
    host = command(folder, start_host, INSERT + f"""
        local ok = pcall(function() ctx.db:run([[insert into rows(v) values ('two'), ('three')]])
            ctx.db:run([[{broken}]]) end)
        return {{ ok = ok }}""")
    since = host.log_mark()
    answer = host.call("probe.run")
    assert (answer.status, answer.json()["code"]) == (500, "internal")
    assert "nothing was committed" in host.wait_log(since, msg="call failed")["error"]
    assert host.ok("probe.rows") == []


def test_an_output_that_breaks_its_contract_is_told_in_the_log(folder, start_host):
    host = command(folder, start_host, INSERT + 'return { id = "x", extra = 1 }',
        output="{ id = t.integer }")
    since = host.log_mark()
    answer = host.call("probe.run")
    assert (answer.status, answer.json()["code"]) == (500, "contract_output")
    assert "errors" not in answer.json()
    line = host.wait_log(since, msg="output does not fit the contract")
    assert "/id" in line["error"]
    assert host.ok("probe.rows") == []


def test_an_endless_loop_is_ended_and_others_are_served(folder, start_host):
    """It gets its error when its CPU time is used up; meanwhile the neighbour is served, by the same worker."""
    e2e_host.write(folder / "plugins" / "good" / "init.lua", e2e_plugins.constant(1, "good"))
    e2e_host.write(folder / "plugins" / "bad" / "init.lua", e2e_plugins.plugin(
        'plugin:query "spin" { run = function() while true do end end }', name="bad",
        limits={"cpu_ms": 300}))
    host = start_host(folder / "plugins", workers=1)
    with host.connect() as c:
        c.send(b"POST /call/bad.spin HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        for _ in range(10):
            assert host.ok("good.value") == {"value": 1}
        answer = c.answer()
    assert (answer.status, answer.json()["code"]) == (500, "cpu_limit")
    assert host.status()["workers"][0]["respawns"] == 0


def test_a_statement_that_runs_longer_than_db_ms_is_ended(folder, start_host):
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    body = f"""
plugin:query "all" {{ output = t.any, run = function(ctx) return ctx.db:value("{endless}") end }}
plugin:query "rest" {{ output = t.any, run = function(ctx)
    local good, why = pcall(function() return ctx.db:value("{endless}") end)
    return {{ good = good, why = tostring(why), rest = ctx.db:value("select 41") }} end }}
plugin:query "rows" {{ output = t.any, run = function(ctx)
    return ctx.db:all("select 1 as a union all select 2 union all select 3") end }}
"""
    e2e_host.write(folder / "plugins" / "shop" / "init.lua",
        e2e_plugins.plugin(body, needs=["db"], limits={"db_ms": 20, "rows": 2}))
    host = start_host(folder / "plugins" / "shop")
    answer = host.call("shop.all")
    assert (answer.status, answer.json()["code"]) == (504, "deadline")
    assert "it ran longer than 20 ms (limits.db_ms) in 'with recursive" in answer.json()["detail"]
    rest = host.ok("shop.rest")
    assert (rest["good"], rest["rest"]) == (False, 41) and "limits.db_ms" in rest["why"]
    refused = host.call("shop.rows")
    assert refused.status == 500 and "more than 2 rows (limits.rows)" in refused.json()["detail"]
