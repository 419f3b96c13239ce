"""JSON in and out through a real host: exact 64-bit integers both ways, and everything malformed
refused with its place."""

import json

import e2e_host
import e2e_http
import e2e_plugins
import pytest

ECHO = e2e_plugins.plugin("""
plugin:query "any" { input = { v = t.nullable(t.any) }, output = t.nullable(t.any),
    run = function(_, input) return input.v end }
plugin:query "integer" { input = { v = t.integer }, output = { v = t.integer, next = t.any },
    run = function(_, input)
    return { v = input.v, next = input.v < math.maxinteger and input.v + 1 or 0 } end }
plugin:query "number" { input = { v = t.number }, output = { v = t.number },
    run = function(_, input) return input end }
plugin:command "keep" { input = { v = t.integer }, output = { v = t.integer },
    run = function(ctx, input)
    ctx.db:run("insert into kept(v) values ($1)", input.v)
    return ctx.db:one("select v from kept where v = $1 limit 1", input.v) end }
plugin:query "list" { input = {}, output = { list = t.array(t.integer), map = t.map(t.integer) },
    run = function() return { list = {}, map = {} } end }
plugin:query "get" { http = "GET /kept/{v}", input = { v = t.integer }, output = { v = t.integer },
    run = function(ctx, input)
    return ctx.db:one("select v from kept where v = $1", input.v) end }
""", name="echo", needs=["db"])


@pytest.fixture(scope="module")
def host(tmp_path_factory, engine):
    folder = tmp_path_factory.mktemp("json")
    e2e_host.write(folder / "plugins" / "echo" / "init.lua", ECHO)
    e2e_host.write(folder / "plugins" / "echo" / "migrations" / "0001_kept.sql",
                   "create table kept (v integer not null) strict;")
    e2e_host.write(folder / "plugins" / "echo" / "migrations" / "0001_kept.postgresql.sql",
                   "create table kept (v bigint not null);")
    host = e2e_host.Host(folder, folder / "plugins", mode="serve", config=engine.config(folder))
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()


INTEGERS = [0, -1, 1, 2**31, -2**31 - 1, 2**53 - 1, 2**53 + 1, 9007199254740993, -9007199254740993,
            9223372036854775807, -9223372036854775808, 1234567890123456789]


@pytest.mark.parametrize("value", INTEGERS)
def test_integers_of_64_bits_are_exact_both_ways(host, value):
    answer = host.call("echo.integer", '{"v":%d}' % value)
    assert answer.json()["v"] == value
    assert str(value).encode() in answer.body
    if value < INTEGERS[9]:
        assert answer.json()["next"] == value + 1
    assert host.call("echo.any", '{"v":%d}' % value).body == str(value).encode()


@pytest.mark.both_engines
@pytest.mark.parametrize("value", INTEGERS)
def test_integers_are_exact_through_the_database_and_the_path(host, value):
    assert host.ok("echo.keep", {"v": value}) == {"v": value}
    assert host.request("GET", f"/kept/{value}").json() == {"v": value}


@pytest.mark.parametrize("text",
    ["9223372036854775808", "-9223372036854775809", "1.5", "1e400", "1e19", "true", '"1"', "null",
                                  "[]", "9007199254740993.5", "9007199254740993.0",
                                      "9223372036854775807.0", "1e18"])
def test_what_is_no_integer_of_64_bits_is_refused(host, text):
    answer = host.call("echo.integer", '{"v":%s}' % text)
    assert answer.status == 400, answer
    assert answer.json()["code"] in ("contract_input", "invalid_json")


@pytest.mark.parametrize("text, value",
    [("1.0", 1), ("1e2", 100), ("-0", 0), ("12.5e1", 125), ("9007199254740991.0", 2**53 - 1)])
def test_a_whole_number_is_an_integer_however_it_is_written(host, text, value):
    assert host.ok("echo.integer", '{"v":%s}' % text)["v"] == value


@pytest.mark.parametrize("text",
    ["0.1", "-0.5", "1e300", "5e-324", "1.7976931348623157e308", "3.141592653589793"])
def test_numbers_come_back_as_they_went(host, text):
    assert host.ok("echo.number", '{"v":%s}' % text)["v"] == float(text)


@pytest.mark.parametrize("value",
    ["", "\u0000", "é", "😀", "\ud7ff", "\\", '"', "\x7f", "a\nb", "\u2028\u2029", {}, [], [[]],
        {"": {}},
                                   [1, "a", None, True, 1.5], {"a": {"b": [{"c": 1}]}}, None, False,
                                       True])
def test_any_value_comes_back_as_it_went(host, value):
    assert host.ok("echo.any", {"v": value}) == value


def test_empty_lists_and_objects_are_told_apart_by_the_contract(host):
    assert host.call("echo.list").body in (b'{"list":[],"map":{}}', b'{"map":{},"list":[]}')


BAD_JSON = {
    "only space": b"  \r\n\t",
    "cut off": b'{"v":1',
    "trailing data": b'{"v":1} {"v":2}',
    "trailing comma": b'{"v":1,}',
    "trailing NUL": b'{"v":1}\0',
    "comment": b'{"v":1 /* one */}',
    "single quotes": b"{'v':1}",
    "bare key": b"{v:1}",
    "NaN": b'{"v":NaN}',
    "Infinity": b'{"v":Infinity}',
    "minus Infinity": b'{"v":-Infinity}',
    "leading zero": b'{"v":01}',
    "plus": b'{"v":+1}',
    "hexadecimal": b'{"v":0x10}',
    "point without digits": b'{"v":1.}',
    "exponent without digits": b'{"v":1e}',
    "byte order mark": b'\xef\xbb\xbf{"v":1}',
    "UTF-16": '{"v":1}'.encode("utf-16"),
    "invalid UTF-8 in a string": b'{"v":"\xff"}',
    "overlong UTF-8": b'{"v":"\xc0\xaf"}',
    "surrogate in UTF-8": b'{"v":"\xed\xa0\x80"}',
    "UTF-8 beyond Unicode": b'{"v":"\xf4\x90\x80\x80"}',
    "UTF-8 cut off": b'{"v":"\xe2\x82"}',
    "lone high surrogate": rb'{"v":"\ud800"}',
    "lone low surrogate": rb'{"v":"\udc00"}',
    "wrong pair": rb'{"v":"\ud800A"}',
    "unknown escape": rb'{"v":"\x41"}',
    "raw control character": b'{"v":"a\nb"}',
    "raw NUL": b'{"v":"a\0b"}',
    "string not closed": b'{"v":"a}',
    "array closed by a brace": b'{"v":[1}}',
    "depth 65": b'{"v":' + b"[" * 64 + b"]" * 64 + b"}",
    "depth 100000": b'{"v":' + b"[" * 100000,
    "depth of objects": b'{"v":' + b'{"a":' * 64 + b"1" + b"}" * 65,
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_invariant_11_json_that_is_none_is_refused_with_its_place(host, name):
    answer = host.call("echo.any", BAD_JSON[name])
    problem = answer.json()
    assert (answer.status, problem["code"]) == (400, "invalid_json"), answer
    assert "line 1" in problem["detail"] or name == "only space", problem
    assert "column" in problem["detail"], problem


def test_no_body_is_an_empty_input(host):
    problem = host.call("echo.any", b"").json()
    assert (problem["code"], problem["errors"][0]["pointer"]) == ("contract_input", "/v")
    assert host.call("echo.list", b"").status == 200


def test_depth_64_is_taken(host):
    deep = "[" * 63 + "]" * 63
    assert host.call("echo.any", '{"v":%s}' % deep).body == deep.encode()


@pytest.mark.parametrize("capability, body", [
    ("echo.any", b'{"v":1,"v":2}'),
    ("echo.any", b'{"v":1,"\\u0076":2}'),
    ("echo.any", b'{"v":{"a":1,"b":2,"a":3}}'),
    ("echo.any", b'{"v":[{"x":1,"x":1}]}'),
    ("echo.integer", b'{"v":1,"v":1}'),
])
def test_duplicate_keys_are_refused(host, capability, body):
    answer = host.call(capability, body)
    assert answer.status == 400, answer
    assert answer.json()["code"] in ("contract_input", "invalid_json")


@pytest.mark.parametrize("body, got",
    [(b"[]", "array"), (b"1", ""), (b'"x"', "string"), (b"null", "null"), (b"true", "boolean")])
def test_an_input_is_an_object(host, body, got):
    problem = host.call("echo.any", body).json()
    assert problem["code"] == "contract_input"
    assert problem["errors"][0]["pointer"] == ""
    assert got in problem["errors"][0]["got"]


def test_the_place_in_a_long_body_is_told(host):
    body = "{\n  \"v\": [1,\n    2,\n    tru]}"
    detail = host.call("echo.any", body).json()["detail"]
    assert "line 4" in detail and "column" in detail


def test_many_members_are_read(host):
    value = {f"key{i}": i for i in range(5000)}
    assert host.ok("echo.any", {"v": value}) == value


def test_a_large_answer_arrives_whole(host):
    value = ["x" * 1000] * 900
    assert host.ok("echo.any", {"v": value}) == value


def test_a_large_answer_waits_for_a_slow_reader(host):
    body = json.dumps({"v": ["y" * 1000] * 900}).encode()
    with host.connect() as c:
        for _ in range(10):
            c.send(e2e_http.request_bytes("POST", "/call/echo.any", body))
            assert c.answer().json() == ["y" * 1000] * 900
