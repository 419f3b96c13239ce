"""What a hostile or careless plugin tries, and what must come of it: an error of its own, and a host that goes on."""

import json

import pytest

import e2e_plugins
from e2e_host import write


def served(start_host, folder, code, **options):
    """A host that serves one capability whose handler is `code`; asks it."""
    options.setdefault("name", "probe")
    write(folder / "plugins" / "probe" / "init.lua", e2e_plugins.handler(code, **options))
    return start_host(folder / "plugins" / "probe")


def test_each_keeps_the_texts_it_was_given(start_host, folder):
    host = served(start_host, folder, """
        local rows = ctx.db:each("with recursive n(i) as (select 1 union all select i + 1 from n where i < 50)"
            .. " select $1 as text from n", string.rep("A", 300) .. ctx.trace_id)
        for i = 1, 5000 do local _ = string.rep("B", 300) .. i end
        for row in rows do
            if row.text ~= string.rep("A", 300) .. ctx.trace_id then return { text = row.text } end
        end
        return { text = "whole" }
    """, needs=["db"])
    assert host.call("probe.run").json() == {"text": "whole"}


@pytest.mark.parametrize("value", [
    '{ text = string.rep("\\1", 4000000), more = string.rep("\\1", 4000000) }',
    '{ [string.rep("\\1", 4000000)] = 1 }',
    '(function() local t = {} for i = 1, 3 do t[string.rep("\\1", 3900000) .. i] = 1 end return t end)()',
])
def test_an_answer_is_bounded_also_in_one_text(start_host, folder, value):
    host = served(start_host, folder, f"return {value}", limits={"cpu_ms": 5000})
    answer = host.call("probe.run")
    assert answer.status == 500
    assert answer.json()["code"] == "contract_output"
    assert len(answer.body) < 100000


def test_an_error_of_megabytes_is_cut(start_host, folder):
    host = served(start_host, folder, 'error(string.rep("x", 4000000))')
    answer = host.call("probe.run")
    assert answer.status == 500
    assert len(answer.body) < 100000


def test_a_failure_that_was_caught_leaves_no_details_behind(start_host, folder):
    host = served(start_host, folder, """
        local _, marker = pcall(ctx.fail, ctx, "bad", { x = 1 })
        pcall(ctx.fail, ctx, "bad", { a = { b = print } })
        error(marker)
    """, more="errors = { bad = 409 },")
    answer = host.call("probe.run")
    assert answer.status == 500
    assert answer.json()["code"] == "internal"


def test_a_long_name_is_not_echoed_in_every_offence(start_host, folder):
    write(folder / "plugins" / "probe" / "init.lua", e2e_plugins.plugin("""
        plugin:query "run" { input = { arg = t.map(t.map(t.integer)) }, output = t.any, run = function() return 1 end }
    """, name="probe"))
    host = start_host(folder / "plugins" / "probe")
    answer = host.call("probe.run", {"arg": {"n" * 100000: {f"m{i}": "text" for i in range(30)}}})
    assert answer.status == 400
    assert len(answer.json()["errors"]) == 20
    assert len(answer.body) < 20000


def test_a_log_line_stays_one_json_object_however_long(start_host, folder):
    host = served(start_host, folder, """
        ctx.log:info("x", { text = string.rep('"', 100000), more = string.rep("é", 100000) })
        print(string.rep("é\\n", 10000))
        error(string.rep('"', 20000))
    """)
    assert host.call("probe.run").status == 500
    for line in host.log_text().splitlines():
        assert len(line) <= 8192
        json.loads(line)


@pytest.mark.parametrize("code", [
    'plugin.fields.summary = string.rep("x", 4000000)',
    'plugin.where = string.rep("x", 4000000)',
    'plugin:query "more" { input = { a = t.enum { string.rep("x", 4000000) } }, run = function() end }',
    'plugin:query "more" { input = { a = t.string { description = string.rep("x", 4000000) } }, run = function() end }',
])
def test_a_definition_takes_no_megabytes_beside_the_account(start_host, folder, code):
    write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(folder / "plugins")
    since = host.log_mark()
    write(folder / "plugins" / "shop" / "init.lua",
          e2e_plugins.constant(2).replace("return plugin\n", code + "\nreturn plugin\n"))
    failed = host.wait_log(since, level="error", msg="not live; what served before still serves")
    assert "is longer than" in failed["error"]


def test_a_module_that_failed_once_can_be_required_again(start_host, folder):
    write(folder / "plugins" / "probe" / "lib.lua", "tries = (tries or 0) + 1 if tries < 3 then error('try ' .. tries) end"
          " return tries")
    host = served(start_host, folder, """
        local seen = {}
        for i = 1, 4 do local _, value = pcall(require, "lib") seen[i] = tostring(value) end
        return seen
    """)
    assert host.ok("probe.run") == ["probe/lib.lua:1: try 1", "probe/lib.lua:1: try 2", "3", "3"]
