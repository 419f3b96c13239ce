"""Native bindings: shared objects that plugins call, from the configuration to a crash in one."""

import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import time

import e2e_host
import e2e_plugins
import pytest

BINDINGS = pathlib.Path(e2e_host.BINARY).resolve().parent / "bindings"
INCLUDE = e2e_host.ROOT / "include"
ECHO = {"echo": {"path": str(BINDINGS / "echo.so")}}

CALLS = """
local function run(ctx, input)
    return assert(load("local ctx, pinion = ... " .. input.code, "=code"))(ctx, require "pinion")
end
for kind, name in pairs {{ query = "get", command = "set", action = "act" }} do
    plugin[kind](plugin, name) {{ input = {{ code = t.string }}, output = t.any, run = run }}
end
plugin:query "version" {{ output = t.string, run = function() return "{version}" end }}
"""


def shop(version="1.0.0", needs=("binding echo",), **limits):
    return e2e_plugins.plugin(CALLS.format(version=version), version=version, needs=list(needs), limits=limits)


@pytest.fixture(name="start")
def fixture_start(folder, start_host):
    """start(bindings, …) gives a host with the plugin "shop", which runs the code it is given."""
    def start(bindings, workers=1, needs=("binding echo",), wall_ms=10000, **options):
        e2e_host.write(folder / "plugins" / "shop" / "init.lua",
                       shop(needs=needs, wall_ms=int(wall_ms * e2e_host.SLOW), cpu_ms=5000))
        return start_host(folder / "plugins", workers=workers, config={"bindings": bindings, **options})
    return start


def lua(host, code, name="act"):
    return host.ok(f"shop.{name}", {"code": code})


def error(host, code, name="act"):
    answer = host.call(f"shop.{name}", {"code": code})
    assert answer.status == 500, answer
    return answer.json()["error"] if "error" in answer.json() else answer.json()["detail"]


def test_a_function_ends_at_once_later_or_on_a_thread(start):
    host = start(ECHO)
    assert lua(host, "return ctx.echo:say({ 1, 2.5, 'a', true, { b = { c = 1 } } })") \
        == [1, 2.5, "a", True, {"b": {"c": 1}}]
    begun = time.monotonic()
    assert lua(host, "return ctx.echo:later('x', 50)") == "x"
    assert time.monotonic() - begun >= 0.05
    assert isinstance(lua(host, "return ctx.echo:hash(1000000)"), int)
    assert lua(host, "local v, err = ctx.echo:fail('down', 'it is') return { v == nil, err.code, err.message }") \
        == [True, "down", "it is"]


def test_what_does_not_fit_the_signature_is_raised(start):
    host = start(ECHO)
    assert "ctx.echo:later: argument 2 (ms): expected an integer, got string" in error(host, "ctx.echo:later(1, 'x')")
    assert "expected an integer, got nil" in error(host, "ctx.echo:later(1)")
    assert "it takes 1 arguments, got 2" in error(host, "ctx.echo:say(1, 2)")
    assert "a table is neither a list nor a map" in error(host, "ctx.echo:say({ 1, a = 2 })")
    assert "functions, coroutines and userdata" in error(host, "ctx.echo:say(print)")
    assert "deeper than 32" in error(host, "local t = {} for _ = 1, 40 do t = { t } end ctx.echo:say(t)")
    assert "rounds are from" in error(host, "ctx.echo:hash(-1)")
    assert lua(host, "return ctx.echo:later(1, 2.0)") == 1


def test_values_come_back_as_they_went(start):
    host = start(ECHO)
    assert lua(host, """local function same(a, b)
            if type(a) ~= "table" then return a == b end
            for k, v in pairs(a) do if not same(v, b[k]) then return false end end
            return #a == #b
        end
        local list, map = {}, {}
        for n = 1, 5000 do list[n] = { n, { "x" .. n } } map["k" .. n] = n / 2 end
        return { same(list, ctx.echo:say(list)), same(map, ctx.echo:say(map)) }""") == [True, True]
    assert lua(host, "local v = ctx.echo:say({ 1, pinion.null, 3 }) return { #v, v[2] == pinion.null, v[3] }") == [3, True, 3]
    assert lua(host, "return ctx.echo:say(pinion.null) == nil and next(ctx.echo:say({ a = pinion.null })) == nil") is True


def test_kinds_may_call_what_is_theirs(start):
    host = start(ECHO)
    for name in ("get", "set", "act"):
        assert lua(host, "return ctx.echo:say(1)", name) == 1
    assert lua(host, "return ctx.echo:later(1, 1)", "get") == 1
    assert "it is for actions and queries, and 'shop.set' is a command" \
        in error(host, "ctx.echo:later(1, 1)", "set")
    assert "it is for actions, and 'shop.get' is a query" in error(host, "ctx.echo:fail('a', 'b')", "get")

def test_a_deadline_ends_the_wait_and_a_cancelled_call_leaves_nothing(start):
    host = start(ECHO, wall_ms=200)
    for _ in range(3):
        answer = host.call("shop.act", {"code": "return ctx.echo:later(1, 60000)"})
        assert (answer.status, answer.json()["code"]) == (504, "deadline")
    assert host.call("shop.act", {"code": "return ctx.echo:hash(300000000)"}).status == 504
    assert host.call("shop.act", {"code": "return ctx.echo:later(1, math.maxinteger)"}).status == 504
    assert lua(host, "return ctx.echo:say(1)") == 1


def test_many_calls_wait_side_by_side(start):
    host = start(ECHO)
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: lua(host, f"return ctx.echo:later({n}, 300)"), range(16)))
    assert answers == list(range(16))
    assert time.monotonic() - begun < 3 * e2e_host.SLOW


def test_a_call_that_waits_ends_on_the_generation_it_began_on(start, folder):
    host = start(ECHO)
    with host.connect() as c:
        body = b'{"code": "return ctx.echo:later(7, 600)"}'
        c.send(b"POST /call/shop.act HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        host.save(folder / "plugins" / "shop" / "init.lua", shop("1.0.1"), "shop@1.0.1#")
        assert host.ok("shop.version") == "1.0.1"
        answer = c.answer()
    assert (answer.status, answer.json()) == (200, 7)
    assert answer.generation.startswith("shop@1.0.0#")


def test_a_host_that_stops_does_not_wait_for_what_never_ends(start):
    host = start(ECHO, wall_ms=30000, drain_ms=300)
    with host.connect() as c:
        body = b'{"code": "return ctx.echo:later(7, 29000)"}'
        c.send(b"POST /call/shop.act HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.1)
        begun = time.monotonic()
        host.stop()
        assert time.monotonic() - begun < 5 * e2e_host.SLOW


def test_a_need_that_is_not_configured_is_refused(folder, start_host):
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", shop())
    host = start_host(folder / "plugins", workers=1)
    line = host.wait_log(since=0, msg="not live; what served before still serves")
    assert "'shop' needs \"binding echo\", and this host has no such binding" in line["error"]


def test_what_is_not_named_in_needs_is_not_there(start):
    host = start(ECHO, needs=("db",))
    assert 'declared with "binding echo" in the plugin\'s needs' in error(host, "ctx.echo:say(1)")


BAD = """
#include <pinion/binding.h>
static void run(struct pinion_call *call, void *i) {{ (void)call; (void)i; {run} }}
static int open_it(const struct pinion_host *h, const struct pinion_value *c, void **i)
{{ (void)c; *i = (void *)h; {open} }}
static void close_it(void *i) {{ (void)i; }}
static const struct pinion_function functions[] = {{ {functions} }};
{export}const struct pinion_binding *pinion_binding(void)
{{
    static const struct pinion_binding b = {{ .abi_version = {version}, .struct_size = {size}, .name = "{name}",
        .version = "1", .summary = "x", .functions = functions, .function_count = {count},
        .function_size = {stride}, .open = open_it, .close = close_it }};
    return {give};
}}
"""
RIGHT = {"run": "", "open": "return 0;", "functions": '{"f", "() -> any", "x", 0, run, 0}', "version": "PINION_ABI_VERSION",
         "size": "sizeof b", "stride": "sizeof *functions", "name": "bad", "count": "1", "give": "&b", "export": ""}


def compile_binding(folder, source, name="bad"):
    path = folder / f"{name}.c"
    path.write_text(source)
    shared = folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shared, path, f"-I{INCLUDE}"], check=True, timeout=60)
    return shared


@pytest.mark.parametrize("change, reason", [
    ({"version": "7"}, "it was made for version 7 of the ABI, this host has 1"),
    ({"size": "16"}, "its struct_size is 16"),
    ({"stride": "sizeof *functions - 8"}, "its function_size is 40, and struct pinion_function of version 1 has at least 48"),
    ({"stride": "sizeof *functions + 4"}, "its function_size is 52, and struct pinion_function of version 1 has at least 48 bytes, in steps of 8"),
    ({"name": "Bad"}, "its name 'Bad' is not"),
    ({"count": "0"}, "it has 0 functions"),
    ({"give": "0"}, "pinion_binding() gave NULL"),
    ({"export": "__attribute__((visibility(\"hidden\"))) "}, "it has no function 'pinion_binding'"),
    ({"functions": '{"F", "()", "x", 0, run, 0}'}, "the name of function 1, 'F', is not"),
    ({"functions": '{"f", "()", "x", 8, run, 0}'}, "marks that are not known"),
    ({"functions": '{"f", "(a: strin)", "x", 0, run, 0}'}, "signature '(a: strin)': at character 10: expected a type"),
    ({"functions": '{"f", "()", "x", 0, run, 0}, {"f", "()", "x", 0, run, 0}', "count": "2"}, "'f' is there twice"),
    ({"open": 'h->reject(h, "no disk"); return 1;'}, "it does not open: no disk"),
    ({"open": "return 1;"}, "it gives no reason"),
    ({"open": "h->reject(h, 0); return 1;"}, "it gives no reason"),
    ({"open": "__builtin_trap();"}, "ended the process that opened it (signal"),
    ({"open": "_exit(3);", "export": "void _exit(int); "}, "ended the process that opened it (exit status 3)"),
])
def test_what_is_no_binding_keeps_the_host_from_starting(folder, change, reason):
    source = BAD.format(**{**RIGHT, **change})
    if "hidden" in change.get("export", ""):
        source = source.replace("#include <pinion/binding.h>", "#include <pinion/binding.h>\n#pragma GCC visibility push(hidden)")
        source = source.replace("const struct pinion_binding *pinion_binding(void)\n{", "const struct pinion_binding *other(void)\n{")
    shared = compile_binding(folder, source)
    host = e2e_host.Host(folder, config={"bindings": {"bad": {"path": str(shared)}}}, mode="serve")
    try:
        host.start(wait=False)
        assert host.process.wait(15 * e2e_host.SLOW) == 1
    finally:
        host.discard()
    line = next(line for line in host.log(0) if line["msg"] == "cannot start")
    assert reason in line["error"], line
    if "ended the process" not in reason:
        assert line["error"].startswith(f"binding 'bad': '{shared}': ")


def test_what_was_made_with_a_later_header_of_the_version_is_taken(folder, start):
    source = BAD.format(**{**RIGHT, "run": """const struct pinion_host *h = i;
        h->push_integer(call, (int64_t)h->function(call)); h->finish(call);"""})
    source = source.replace("static const struct pinion_function functions[] = {", """
        struct later_function { struct pinion_function now; void *later[2]; };
        static const struct later_function table[] = {{{"first", "() -> integer", "x", 0, run, 0}, {0}},
            {{"second", "() -> integer", "x", 0, run, 0}, {(void *)&table, 0}}};
        static const struct pinion_function functions[] = {""")
    source = source.replace("    static const struct pinion_binding b = {", """
        static const struct { struct pinion_binding now; void *later; } more = { { .abi_version = PINION_ABI_VERSION,
            .struct_size = sizeof more, .name = "later", .version = "1", .summary = "x", .functions = &table->now,
            .function_count = 2, .function_size = sizeof *table, .open = open_it, .close = close_it }, (void *)&more };
        return &more.now;
    static const struct pinion_binding b = {""")
    host = start({"bad": {"path": str(compile_binding(folder, source))}}, needs=("binding bad",))
    assert lua(host, "return { ctx.bad:first(), ctx.bad:second() }") == [0, 1]


def test_a_configuration_that_is_wrong_is_refused(folder):
    for bindings, reason in (
            ({"db": {"path": "/x"}}, "'bindings.db': ctx.db is the host's own"),
            ({"Redis": {"path": "/x"}}, "got 'Redis'"),
            ({"redis": {"path": "redis.so"}}, "'bindings.redis.path' must be the path"),
            ({"redis": {}}, "'bindings.redis.path' must be the path"),
            ({"redis": {"path": "/x", "color": 1}}, "'bindings.redis.color'"),
            ({"redis": 1}, "'bindings.redis' must be an object"),
            ([], "'bindings' must be an object")):
        path = folder / "pinion.json"
        path.write_text(e2e_host.json.dumps({"bindings": bindings}))
        told = e2e_host.run("serve", "--config", path, "--data", folder / "data")
        assert told.returncode == 2 and reason in told.stderr, told.stderr


def test_what_breaks_its_contract_is_the_bindings_fault(folder, start):
    shared = compile_binding(folder, BAD.format(**{**RIGHT, "functions": """
        {"wrong", "() -> integer", "x", 0, run, 0}, {"many", "()", "x", 0, run, 0}, {"open", "() -> any", "x", 0, run, 0},
        {"pure", "() -> any", "x", PINION_PURE, run, 0}""", "count": "4", "run": """
        const struct pinion_host *h = i;
        switch (h->function(call)) {
        case 2: h->begin_list(call); break;
        case 3: return;
        default: h->push_text(call, "x", 1);
        }
        h->finish(call);"""}))
    host = start({"bad": {"path": str(shared)}}, needs=("binding bad",))
    assert "ctx.bad:wrong: the binding broke its contract: result 1: expected an integer, got string" \
        in error(host, "ctx.bad:wrong()")
    assert "it gave 1 results, 0 are in its signature" in error(host, "ctx.bad:many()")
    assert "a list or map was not ended" in error(host, "ctx.bad:open()")
    assert "it is marked as pure, and did not end" in error(host, "ctx.bad:pure()")
    assert host.wait_log(since=0, msg="a binding broke its contract")["function"] == "wrong"


def test_what_a_binding_says_badly_is_still_said(folder, start):
    shared = compile_binding(folder, BAD.format(**{**RIGHT, "functions": """
        {"none", "() -> any", "x", 0, run, 0}, {"no", "() -> any", "x", 0, run, 0}, {"large", "() -> [bytes]", "x", 0, run, 0}""",
        "count": "3", "run": """
        static char megabyte[1 << 20];
        const struct pinion_host *h = i;
        switch (h->function(call)) {
        case 0: h->fail(call, 0, 0); h->log(h, (enum pinion_level)77, "far"); h->log(h, PINION_WARN, 0); return;
        case 1: h->refuse(call, 0); return;
        default: h->begin_list(call);
        }
        for (int n = 0; n < 70; n++) h->push_text(call, megabyte, sizeof megabyte);
        h->end(call);
        h->finish(call);"""}))
    host = start({"bad": {"path": str(shared)}}, needs=("binding bad",))
    assert lua(host, "local v, err = ctx.bad:none() return { v == nil, err.code, err.message }") \
        == [True, "internal", "the binding gives no reason"]
    assert (host.wait_log(since=0, msg="far")["level"], len(host.log(0, binding="bad", msg=""))) == ("error", 1)
    assert "ctx.bad:no: the binding gives no reason" in error(host, "ctx.bad:no()")
    assert lua(host, "local v, err = ctx.bad:large() return { v == nil, err.code }") == [True, "too_large"]


def test_a_crash_in_one_is_blamed_on_the_release_that_called(folder, start):
    shared = compile_binding(folder, BAD.format(**{**RIGHT, "run": "__builtin_trap();"}))
    host = start({"bad": {"path": str(shared)}}, needs=("binding bad",))
    host.may_die = True
    for _ in range(3):
        pid = host.worker_pids()[0]
        with host.connect() as c:
            body = b'{"code": "ctx.bad:f()"}'
            c.send(b"POST /call/shop.act HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            c.read_to_end()
        e2e_host.wait_until("another worker", lambda: host.worker_pids()[0] not in (0, pid))  # noqa: B023
    e2e_host.wait_until("the quarantine", lambda: host.call("shop.version").status == 503)
    assert host.call("shop.version").json()["code"] == "plugin_quarantined"
    line = host.wait_log(since=0, msg="what it was doing")
    assert (line["plugin"], line["capability"]) == ("shop", "shop.act")


def test_check_opens_what_is_configured_and_misses_what_is_not(folder):
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", shop())
    path = folder / "pinion.json"
    path.write_text(e2e_host.json.dumps({"bindings": ECHO}))
    told = e2e_host.run("check", folder / "plugins", "--config", path)
    assert told.returncode == 0, told.stdout
    path.write_text(e2e_host.json.dumps({"bindings": {"echo": {"path": "/nothing/echo.so"}}}))
    told = e2e_host.run("check", folder / "plugins", "--config", path)
    assert told.returncode == 1 and "binding 'echo': '/nothing/echo.so'" in told.stdout, told.stdout
    path.write_text("{}")
    told = e2e_host.run("check", folder / "plugins", "--config", path)
    assert told.returncode == 1 and "this host has no such binding" in told.stdout, told.stdout


@pytest.mark.skipif(e2e_host.IS_ASAN, reason="a build with sanitizers is not hardened")
def test_without_network_a_binding_leaves_workers_none(start):
    offline = {"echo": {**ECHO["echo"], "network": False}}
    for bindings, forbidden in ((offline, True), (ECHO, False)):
        host = start(bindings, http={"outgoing": False})
        protections = host.status()["security"][0]["protections"]
        assert next(p for p in protections if p["protection"] == "network")["in_force"] is forbidden
        assert lua(host, "return ctx.echo:later(1, 1)") == 1
        host.stop()


LOOP = """
#include <pinion/binding.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
struct wait { const struct pinion_host *host; struct pinion_call *call; struct pinion_watch *watch; int fd, times; };
static void on_ready(void *user, unsigned ready)
{
    struct wait *w = user;
    if (!(ready & PINION_READABLE)) { w->host->refuse(w->call, "not readable"); return; }
    if (++w->times == 1) { w->host->watch_change(w->watch, 0); w->host->watch_change(w->watch, PINION_READABLE); return; }
    w->host->watch_stop(w->watch);
    close(w->fd);
    w->host->log(w->host, PINION_WARN, "readable");
    w->host->push_integer(w->call, w->times);
    w->host->finish(w->call);
    free(w);
}
static void ready(struct pinion_call *call, void *i)
{
    const struct pinion_host *h = i;
    struct wait *w = calloc(1, sizeof *w);
    *w = (struct wait){ h, call, 0, eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), 0 };
    w->watch = h->watch_start(h, w->fd, PINION_READABLE, on_ready, w);
}
static void never(struct pinion_call *call, void *i) { (void)call; (void)i; }
static void on_time(void *user) { (void)user; }
static int open_it(const struct pinion_host *h, const struct pinion_value *c, void **i)
{
    (void)c;
    *i = (void *)h;
    h->timer_start(h, 3600000, on_time, 0);
    if (h->watch_start(h, -1, PINION_READABLE, on_ready, 0)) return 1;
    h->watch_stop(0);
    h->timer_stop(0);
    return h->watch_start(h, eventfd(0, EFD_CLOEXEC), PINION_READABLE, on_ready, 0) && h->now(h) > 0 ? 0 : 1;
}
static void close_it(void *i) { (void)i; }
static const struct pinion_function functions[] = {
    {"ready", "() -> integer", "x", 0, ready, 0}, {"never", "()", "x", 0, never, 0} };
const struct pinion_binding *pinion_binding(void)
{
    static const struct pinion_binding b = { .abi_version = PINION_ABI_VERSION, .struct_size = sizeof b, .name = "loop",
        .version = "1", .summary = "x", .functions = functions, .function_count = 2,
        .function_size = sizeof *functions, .open = open_it, .close = close_it };
    return &b;
}
"""


def test_descriptors_are_watched_and_what_is_left_is_cleared_away(folder, start):
    shared = compile_binding(folder, LOOP, "loop")
    host = start({"loop": {"path": str(shared)}}, needs=("binding loop",), wall_ms=400)
    assert lua(host, "return ctx.loop:ready()") == 2
    assert host.wait_log(since=0, msg="readable")["binding"] == "loop"
    assert host.call("shop.act", {"code": "ctx.loop:never()"}).status == 504
    host.stop()
    left = host.log(0, msg="a binding has not ended all of its calls")
    assert [(line["binding"], line["calls"]) for line in left] == [("loop", 1)]


def blocks_of(text):
    """The walk's code blocks, in order: (what it is, its text)."""
    return re.findall(r"```(\w+)\n(.*?)```", text, re.S)


@pytest.mark.limit(60)
def test_the_walk_of_the_documentation_works_as_it_stands(folder, start_host):
    walk = (e2e_host.ROOT / "docs" / "binding-abi.md").read_text().split("## Ten minutes")[1].split("\n## ")[0]
    blocks = blocks_of(walk)
    assert [kind for kind, _ in blocks] == ["c", "sh", "json", "lua", "sh", "sh", "text"]
    for (_, text), name in zip((blocks[0], blocks[2], blocks[3]), ("dice.c", "pinion.json", "plugins/game/init.lua")):
        assert f"`{name}`" in walk
        e2e_host.write(folder / name, text)

    def shell(line):
        return subprocess.run(["sh", "-ec", line], cwd=folder, capture_output=True, text=True, timeout=40, check=True,
                              env={**os.environ, "PINION_SOURCE": str(e2e_host.ROOT)}).stdout

    assert shell(blocks[1][1].replace("cc ", "cc -std=c11 -pedantic -Wall -Wextra -Werror ")) == ""
    check, dev = blocks[4][1].splitlines()
    shell(check.replace("pinion ", f"{shlex.quote(str(pathlib.Path(e2e_host.BINARY).resolve()))} ", 1))
    assert dev == "pinion dev plugins --config pinion.json"
    bindings = e2e_host.json.loads(blocks[2][1])["bindings"]
    bindings["dice"]["path"] = str(folder / bindings["dice"]["path"])
    host = start_host(folder / "plugins", config={"bindings": bindings})
    assert shell(blocks[5][1].replace("127.0.0.1:8080", host.listen)) == blocks[6][1].rstrip("\n")
