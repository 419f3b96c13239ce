"""The official MCP client, from npm, against a live host: it lists tools and calls them, and its own
checks (answers against their output schemas) find nothing."""

import json

import e2e_plugins
import pytest

PLUGIN = e2e_plugins.plugin("""
local line = plugin:type "line" { sku = t.string { max_length = 8 }, qty = t.integer { min = 1 } }
plugin:query "total" {
    summary = "The sum of an order's lines.", expose = { "mcp" },
    description = "Adds what all lines cost, in cents.",
    input = { lines = t.array(line) }, output = { total = t.integer, lines = t.array(line) },
    errors = { too_many = 422 },
    run = function(ctx, input)
        if #input.lines > 2 then ctx:fail("too_many", { most = 2 }) end
        local total = 0
        for _, one in ipairs(input.lines) do total = total + one.qty * 5 end
        return { total = total, lines = input.lines }
    end,
}
plugin:command "add" {
    summary = "Keeps a number.", expose = { "mcp" }, idempotent = true,
    input = { n = t.integer }, output = t.integer,
    run = function(ctx, input)
        ctx.db:run("insert into numbers(n) values ($1) on conflict do nothing", input.n)
        return ctx.db:value("select count(*) from numbers")
    end,
}
plugin:command "clear" { deprecated = "Nothing needs it.", expose = { "mcp" },
    run = function(ctx) ctx.db:run("delete from numbers") end }
plugin:query "choice" { expose = { "mcp" }, input = { n = t.integer },
    output = t.nullable(t.union("kind", { one = { n = t.integer }, two = { s = t.string } })),
    run = function(_, input)
        if input.n == 0 then return nil end
        if input.n == 1 then return { kind = "one", n = 1 } end
        return { kind = "two", s = "2" }
    end }
plugin:action "call" { expose = { "mcp" }, output = t.map(t.integer),
    run = function() return { a = 1 } end }
plugin:query "broken" { expose = { "mcp" }, output = t.integer, run = function() return "x" end }
plugin:query "hidden" { output = t.integer, run = function() return 1 end }
""", needs=["db"])


@pytest.fixture
def host(start_host, folder):
    place = folder / "shop"
    (place / "migrations").mkdir(parents=True)
    (place / "init.lua").write_text(PLUGIN)
    (place / "migrations" / "0001_numbers.sql").write_text(
        "create table numbers(n integer primary key) strict;")
    return start_host([place], mode="serve", workers=2)


@pytest.fixture
def speak(run_node, host):
    def run(*steps):
        told = run_node("mcp_steps.mjs", f"http://{host.listen}/mcp", given=steps)
        assert told["problems"] == []
        return told

    return run


def call(name, **arguments):
    return ["callTool", {"name": name, "arguments": arguments}]


def problem(result):
    assert result["isError"] is True and "structuredContent" not in result
    return json.loads(result["content"][0]["text"])


def output(result):
    assert "isError" not in result or result["isError"] is False
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    return result["structuredContent"]


@pytest.mark.limit(300)
def test_packages_are_installed(npm_packages):
    assert (npm_packages / "node_modules" / "@modelcontextprotocol" / "sdk").is_dir()


def test_client_connects_and_lists_tools(speak):
    told = speak(["ping"], ["listTools"])
    assert told["server"]["name"] == "pinion" and told["capabilities"] == {"tools": {}}
    assert told["revision"] == "2025-11-25"
    assert told["results"][0] == {}
    tools = {tool["name"]: tool for tool in told["results"][1]["tools"]}
    assert list(tools) == ["shop.add", "shop.broken", "shop.call", "shop.choice", "shop.clear",
        "shop.total"]
    total = tools["shop.total"]
    assert total["title"] == "The sum of an order's lines."
    assert total["description"] == "Adds what all lines cost, in cents."
    assert total["inputSchema"]["required"] == ["lines"]
    assert total["outputSchema"]["type"] == "object" and "line" in total["outputSchema"]["$defs"]
    assert total["annotations"] == {"readOnlyHint": True, "destructiveHint": False,
        "idempotentHint": True, "openWorldHint": False}
    assert tools["shop.add"]["annotations"] == {"readOnlyHint": False, "destructiveHint": True,
        "idempotentHint": True, "openWorldHint": False}
    assert tools["shop.call"]["annotations"] == {"readOnlyHint": False, "destructiveHint": True,
        "idempotentHint": False, "openWorldHint": True}
    assert tools["shop.clear"]["description"] == "Deprecated: Nothing needs it."
    assert "outputSchema" not in tools["shop.clear"]


def test_answers_fit_their_schemas(speak):
    line = {"sku": "a\"b", "qty": 2}
    results = speak(["listTools"], call("shop.total", lines=[line]), call("shop.add", n=1),
        call("shop.add", n=1), call("shop.add", n=2), call("shop.clear"),
        call("shop.choice", n=0), call("shop.choice", n=1), call("shop.choice", n=2),
        call("shop.call"))["results"][1:]
    assert output(results[0]) == {"total": 10, "lines": [line]}
    assert [output(r) for r in results[1:4]] == [{"result": 1}, {"result": 1}, {"result": 2}]
    assert results[4] == {"content": []}
    assert [output(r) for r in results[5:8]] == [{"result": None},
        {"result": {"kind": "one", "n": 1}}, {"result": {"kind": "two", "s": "2"}}]
    assert output(results[8]) == {"a": 1}


def test_failures_are_tool_errors(speak):
    line = {"sku": "a", "qty": 1}
    results = speak(["listTools"], call("shop.total", lines=[line] * 3),
        call("shop.total", lines=[{"sku": "a"}]), call("shop.broken"))["results"][1:]
    declared, contract, broken = (problem(r) for r in results)
    assert (declared["code"], declared["status"]) == ("too_many", 422)
    assert declared["details"] == {"most": 2} and declared["generation"] == "shop@1.0.0#1"
    assert contract["code"] == "contract_input"
    assert contract["errors"][0]["pointer"] == "/lines/0/qty"
    assert broken["code"] == "contract_output"


def test_what_is_not_exposed_is_as_unknown_as_what_does_not_exist(speak):
    hidden, unknown = speak(call("shop.hidden"), call("shop.nothing"))["results"]
    assert hidden == unknown
    assert hidden["error"]["code"] == -32602
