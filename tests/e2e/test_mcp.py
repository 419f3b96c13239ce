"""MCP over raw HTTP: what is refused, how a tool's answer is wrapped, and that a call is a call: it
is forwarded, counted, limited and swapped under like any other."""

import json
import random
import threading

import e2e_host
import e2e_load
import e2e_plugins
import pytest
from e2e_http import request_bytes

JSON = ("Content-Type", "application/json")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

PLUGIN = e2e_plugins.plugin("""
plugin:query "echo" { expose = { "mcp" }, input = { value = t.any }, output = t.any,
    run = function(_, input) return input.value end }
plugin:command "add" { expose = { "mcp" }, input = { n = t.integer }, output = { count = t.integer },
    errors = { odd = 409 },
    run = function(ctx, input)
        ctx.db:run("insert into numbers(n) values ($1)", input.n)
        if input.n % 2 == 1 then ctx:fail("odd", { n = input.n }) end
        return { count = ctx.db:value("select count(*) from numbers") }
    end }
plugin:query "seen" { expose = { "mcp" }, headers = { client = "X-Client" },
    input = { client = t.optional(t.string) },
    output = { client = t.optional(t.string), path = t.string, trace = t.string },
    run = function(ctx, input)
        return { client = input.client, path = ctx.request.path, trace = ctx.trace_id }
    end }
plugin:query "spin" { expose = { "mcp" }, input = { ms = t.integer }, output = t.integer,
    run = function(_, input)
        local till = os.clock() + input.ms / 1000
        while os.clock() < till do end
        return 1
    end }
plugin:query "versioned" { expose = { "mcp" }, output = t.integer, run = function() return 1 end }
plugin:query "versioned" { expose = { "mcp" }, output = t.integer, version = 2,
    run = function() return 2 end }
plugin:query "withdrawn" { expose = { "mcp" }, output = t.integer, run = function() return 1 end }
plugin:query "withdrawn" { version = 2, output = t.integer, run = function() return 2 end }
plugin:query "hidden" { output = t.integer, run = function() return 1 end }
""", needs=["db"], limits={"wall_ms": 1000, "cpu_ms": 300, "concurrency": 2})


def message(method, params=None, request_id=1):
    told = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return told if params is None else {**told, "params": params}


def call(name, arguments=None, request_id=1):
    params = {"name": name}
    if arguments is not None:
        params["arguments"] = arguments
    return message("tools/call", params, request_id)


def post(at, body, *headers):
    """`at` is a host or a connection."""
    return at.request("POST", "/mcp", body, [JSON, *headers])


def result(answer):
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told["jsonrpc"] == "2.0" and "error" not in told, told
    return told["result"]


def output(answer):
    told = result(answer)
    assert "isError" not in told, told
    assert json.loads(told["content"][0]["text"]) == told["structuredContent"]
    return told["structuredContent"]


def problem(answer):
    told = result(answer)
    assert told["isError"] is True and "structuredContent" not in told
    return json.loads(told["content"][0]["text"])


def error(answer, status=200):
    assert answer.status == status, answer
    return answer.json()["error"]["code"]


@pytest.fixture(scope="module", params=[1, 2], ids=["one-worker", "two-workers"])
def host(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("mcp")
    shop = place / "shop"
    e2e_host.write(shop / "init.lua", PLUGIN)
    e2e_host.write(shop / "migrations" / "0001_numbers.sql", "create table numbers(n integer);")
    host = e2e_host.Host(place, [shop], mode="serve", workers=request.param)
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()


# ---- the protocol

@pytest.mark.parametrize("wanted, given", [("2025-11-25", "2025-11-25"),
    ("2025-06-18", "2025-06-18"), ("2025-03-26", "2025-03-26"), ("2024-11-05", "2025-11-25"),
    ("2099-01-01", "2025-11-25")])
def test_revision_is_negotiated(host, wanted, given):
    told = result(post(host, message("initialize", {"protocolVersion": wanted, "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}})))
    assert told["protocolVersion"] == given
    assert told["capabilities"] == {"tools": {}} and told["serverInfo"]["name"] == "pinion"
    assert result(post(host, message("ping"), ("MCP-Protocol-Version", given))) == {}


def test_revision_that_is_not_spoken_is_refused(host):
    assert error(post(host, message("ping"), ("MCP-Protocol-Version", "2024-10-07")), 400) == -32000
    assert result(post(host, message("ping"))) == {}


def test_other_methods_are_not_allowed(host):
    for method in ("GET", "DELETE", "PUT", "PATCH", "HEAD"):
        answer = host.request(method, "/mcp")
        assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert host.request("OPTIONS", "/mcp").status == 204
    assert host.request("POST", "/mcp/more", message("ping"), [JSON]).status == 404


@pytest.mark.parametrize("body", [
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "method": "notifications/unheard_of", "params": {"a": 1}},
    {"jsonrpc": "2.0", "id": 1, "result": {}},
    {"jsonrpc": "2.0", "method": "tools/call",
        "params": {"name": "shop.add", "arguments": {"n": 2}}}])
def test_what_asks_nothing_is_accepted_without_a_body(host, body):
    answer = post(host, body)
    assert (answer.status, answer.body) == (202, b"")
    assert "content-type" not in answer.headers


@pytest.mark.parametrize("body, code", [
    (b"", -32700), (b"{", -32700), (b'{"jsonrpc":"2.0"} x', -32700), (b"\xff", -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 100, -32700),
    (b"[]", -32600), (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600), (b"1", -32600),
    (b"null", -32600), (b"{}", -32600), (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600),
    (b'{"jsonrpc":"2.0","id":"' + b"x" * 300 + b'","method":"ping"}', -32600)])
def test_malformed_messages_are_refused(host, body, code):
    answer = post(host, body)
    assert error(answer, 400) == code
    assert answer.json()["id"] is None


@pytest.mark.parametrize("request_id", [0, -1, 2**53, 2**80, "", "a", "\"\\\u20ac", "x" * 200])
def test_ids_come_back_as_they_are(host, request_id):
    assert post(host, message("ping", request_id=request_id)).json()["id"] == request_id
    assert post(host, call("shop.echo", {"value": 1}, request_id)).json()["id"] == request_id
    assert post(host, message("nothing", request_id=request_id)).json() == {"jsonrpc": "2.0",
        "id": request_id, "error": {"code": -32601, "message": "there is no such method"}}


# ---- who may ask

@pytest.mark.parametrize("origin, good", [("http://localhost:3000", True),
    ("http://127.0.0.1", True), ("https://[::1]:1", True), ("http://evil.example", False),
    ("http://localhost.evil.example", False), ("http://evil.example:8080", False), ("null", False),
    ("", False), ("file://localhost", False), ("http:localhost", False)])
def test_pages_of_other_sites_are_refused(host, origin, good):
    answer = post(host, message("ping"), ("Origin", origin))
    assert answer.status == (200 if good else 403)
    if not good:
        assert error(answer, 403) == -32000
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("accept, status", [("application/json, text/event-stream", 200),
    ("*/*", 200), ("text/html, application/*;q=0.8", 200), ("APPLICATION/JSON", 200),
    ("text/event-stream", 406), ("text/html", 406), ("", 406)])
def test_answer_is_json_or_none(host, accept, status):
    assert post(host, message("ping"), ("Accept", accept)).status == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded",
    "application/jsonp", ""])
def test_message_is_sent_as_json(host, kind):
    body = message("ping")
    assert host.request("POST", "/mcp", body, [("Content-Type", kind)]).status == 415
    assert host.request("POST", "/mcp", body).status == 415
    assert host.request("POST", "/mcp", body,
        [("Content-Type", "application/json; charset=utf-8")]).status == 200


# ---- tools

def test_tools_are_listed_in_order(host):
    tools = result(post(host, message("tools/list")))
    assert "nextCursor" not in tools
    names = [tool["name"] for tool in tools["tools"]]
    assert names == ["shop.add", "shop.echo", "shop.seen", "shop.spin", "shop.versioned",
        "shop.versioned.v1", "shop.withdrawn.v1"]
    after = result(post(host, message("tools/list", {"cursor": "shop.spin"})))
    assert [tool["name"] for tool in after["tools"]] == names[4:]
    for cursor in ("", 7, None, "a/b", "x" * 200):
        assert error(post(host, message("tools/list", {"cursor": cursor}))) == -32602


def test_versions_have_names_of_their_own(host):
    for name, value in (("versioned", 2), ("versioned.v2", 2), ("versioned.v1", 1),
            ("withdrawn.v1", 1)):
        assert output(post(host, call("shop." + name))) == {"result": value}


@pytest.mark.parametrize("name", ["shop.hidden", "shop.nothing", "shop", "", ".", "shop.", "shop.echo.",
    "shop.echo.v", "shop.echo.v0", "shop.echo.v01", "shop.echo.v-1", "shop.echo.v9", "shop.echo@1",
    "shop.withdrawn", "shop.withdrawn.v2", "shop.echo\0", "x" * 500])
def test_unknown_tools_are_all_the_same(host, name):
    answer = post(host, call(name, {}))
    assert answer.json()["error"] == {"code": -32602, "message": "there is no such tool"}
    assert answer.generation is None


def test_parameters_of_a_call_are_checked(host):
    for params in (None, {}, {"name": 1}, {"name": None}, {"name": "shop.echo", "arguments": []},
            {"name": "shop.echo", "arguments": None}, {"name": "shop.echo", "arguments": "{}"}):
        assert error(post(host, message("tools/call", params))) == -32602


@pytest.mark.parametrize("value", [0, None, "", "\"\\\n\u20ac", [], {"a": [1, {"b": None}]}, 2**62, 1.5])
def test_outputs_come_whole(host, value):
    assert output(post(host, call("shop.echo", {"value": value}))) == {"result": value}


def test_arguments_stand_in_the_body_as_they_are(host):
    body = b'\n{ "params" : {"arguments":\t{"value" : 9007199254740993 } , "na\\u006de": "shop.ech\\u006f"},' \
        b'"method":"tools\\/call","_x":[[]],"id"  : "\\u0041" ,"jsonrpc":"2.\\u0030"}  '
    answer = post(host, body)
    assert output(answer) == {"result": 9007199254740993}
    assert answer.json()["id"] == "A" and b'"id":"\\u0041"' in answer.body


def test_call_is_a_call(host):
    answer = post(host, call("shop.seen", {}), ("X-Client", "till"),
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"))
    assert output(answer) == {"client": "till", "path": "/mcp", "trace": TRACE}
    assert answer.generation == "shop@1.0.0#1" and answer.headers["pinion-trace-id"] == TRACE
    assert output(post(host, call("shop.seen", {"client": "me"})))["client"] == "me"


def test_failures_are_tool_errors(host):
    odd = problem(post(host, call("shop.add", {"n": 1})))
    assert (odd["code"], odd["status"], odd["details"]) == ("odd", 409, {"n": 1})
    bad = problem(post(host, call("shop.add", {"n": "x", "m": 1})))
    assert bad["code"] == "contract_input"
    assert sorted(e["pointer"] for e in bad["errors"]) == ["/m", "/n"]
    twice = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' \
        b'{"name":"shop.add","arguments":{"n":2,"n":4}}}'
    assert problem(post(host, twice))["code"] == "contract_input"
    assert problem(post(host, call("shop.add")))["code"] == "contract_input"
    slow = problem(post(host, call("shop.spin", {"ms": 100000})))
    assert (slow["code"], slow["status"]) == ("cpu_limit", 500)


def test_commands_reach_their_home_from_every_worker(host):
    connections = [host.connect() for _ in range(8)]
    before = output(post(host, call("shop.add", {"n": 2})))["count"]
    for number in range(40):
        answer = post(connections[number % 8], call("shop.add", {"n": 2}, f"id {number}"))
        assert answer.json()["id"] == f"id {number}"
        assert output(answer) == {"count": before + number + 1}
        assert answer.generation == "shop@1.0.0#1"
        assert problem(post(connections[number % 8], call("shop.add", {"n": 1})))["code"] == "odd"
    for c in connections:
        c.close()


def test_too_many_calls_are_tool_errors(host):
    with host.connect() as c:
        c.send(b"".join(request_bytes("POST", "/mcp", call("shop.spin", {"ms": 1}, n), [JSON])
            for n in range(100)))
        assert [c.answer().json()["id"] for _ in range(100)] == list(range(100))
    codes, lock = [], threading.Lock()

    def one():
        told = result(post(host, call("shop.spin", {"ms": 60})))
        with lock:
            codes.append(json.loads(told["content"][0]["text"]).get("code", "good"))

    threads = [threading.Thread(target=one) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {"good", "overloaded", "deadline"} and "overloaded" in codes, codes


def test_clients_that_leave_before_the_answer_harm_nobody(host):
    for number in range(200):
        with host.connect() as c:
            name = "shop.spin" if number % 10 == 0 else "shop.add"
            c.send(request_bytes("POST", "/mcp", call(name, {"n": 2} if name == "shop.add" else
                {"ms": 5}, number), [JSON]))
    e2e_host.wait_until("the calls to end",
        lambda: "isError" not in result(post(host, call("shop.echo", {"value": 1}))))
    assert all(worker["respawns"] == 0 for worker in host.status()["workers"])


def test_long_answers_come_whole(host):
    value = ["\"\u20ac\\" * 1000] * 60
    told = post(host, call("shop.echo", {"value": value}))
    assert output(told) == {"result": value}


# ---- across time

def test_many_tools_come_in_pages(start_host, folder):
    for number in range(3):
        e2e_host.write(folder / "plugins" / f"many{number}" / "init.lua", e2e_plugins.plugin("""
for n = 1, 75 do
    plugin:query(("q%03d"):format(n)) { expose = { "mcp" }, output = t.integer,
        run = function() return n end }
end
""", name=f"many{number}"))
    host = start_host(folder / "plugins", mode="serve", workers=2)
    names, cursor, pages = [], None, 0
    while cursor or not pages:
        page = result(post(host, message("tools/list", {"cursor": cursor} if cursor else {})))
        names += [tool["name"] for tool in page["tools"]]
        cursor = page.get("nextCursor")
        pages += 1
    assert pages == 3
    assert names == [f"many{p}.q{n:03d}" for p in range(3) for n in range(1, 76)]


@pytest.mark.parametrize("workers", [1, 2])
def test_swaps_under_calls_fail_none(start_host, folder, workers):
    path = folder / "shop" / "init.lua"

    def source(version):
        return e2e_plugins.plugin(f"""
plugin:command "get" {{ expose = {{ "mcp" }}, output = {{ value = t.integer }},
    run = function() return {{ value = {version} }} end }}
""", version=f"1.0.{version}")

    e2e_host.write(path, source(0))
    host = start_host([folder / "shop"], workers=workers)

    def make(_):
        number = random.randrange(10**9)
        return request_bytes("POST", "/mcp", call("shop.get", {}, number), [JSON])

    def check(answer, _):
        told = json.loads(answer.body)
        value = told.get("result", {}).get("structuredContent", {}).get("value")
        good = answer.generation and answer.generation.startswith(f"shop@1.0.{value}#")
        return None if good else f"{answer}"

    with e2e_load.Load(host.listen, make, check, connections=8) as load:
        for version in range(1, 21):
            host.save(path, source(version), f"shop@1.0.{version}#")
            load.wait_for(100)
    assert load.failures == []


def test_tools_come_and_go_with_their_plugin(start_host, folder):
    path = folder / "shop" / "init.lua"
    e2e_host.write(path, e2e_plugins.constant(1))
    host = start_host([folder / "shop"])
    assert result(post(host, message("tools/list")))["tools"] == []
    assert error(post(host, call("shop.value"))) == -32602
    host.save(path, e2e_plugins.constant(2).replace("plugin:query \"value\" {",
        "plugin:query \"value\" { expose = { \"mcp\" },"), "shop@1.0.2#")
    assert [t["name"] for t in result(post(host, message("tools/list")))["tools"]] == ["shop.value"]
    assert output(post(host, call("shop.value"))) == {"value": 2}


def test_route_at_the_address_is_refused(start_host, folder):
    e2e_host.write(folder / "shop" / "init.lua", e2e_plugins.plugin(
        'plugin:query "mcp" { http = "GET /mcp", run = function() end }'))
    host = start_host([folder / "shop"])
    assert "'/mcp' is the host's own" in host.deploy_status(folder / "shop")["message"]
