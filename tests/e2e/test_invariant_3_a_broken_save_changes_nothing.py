"""Invariant 3: whatever fails before publishing leaves the old generation serving, untouched, and
says where and why."""

import os
import pathlib
import re
import shutil

import e2e_host
import e2e_plugins
import pytest

MIGRATION = """create table rows (id integer primary key, v text not null check (length(v) > 0));
insert into rows(v) values ('first');
"""
BODY = """
local helper = require "lib.helper"
plugin:query "value" { http = "GET /value", output = { value = t.integer, helped = t.string },
    run = function()
    return { value = VALUE, helped = helper.help() } end }
plugin:query "rows" { output = t.integer,
    run = function(ctx) return ctx.db:value("select count(*) from rows") end }
"""
HELPER = 'local helper = {}\nfunction helper.help() return "old" end\nreturn helper\n'


def good(value=1, body=BODY, **options):
    return e2e_plugins.plugin(body.replace("VALUE", str(value)), version=f"1.0.{value}",
        needs=["db"], **options)


def line_of(text, part):
    return text[:text.index(part)].count("\n") + 1


def with_line(line, value=2):
    """A main file that has `line` in its body, and the number of that line."""
    text = good(value, BODY + line)
    return text, line_of(text, line)


class Shop:
    """The plugin under test: its files, and what must hold after each broken save."""

    def __init__(self, folder, host):
        self.directory = folder / "shop"
        self.host = host
        self.value = 1

    def restore(self):
        """Good again, with a new value, which goes live."""
        shutil.rmtree(self.directory / "extra", ignore_errors=True)
        for path in (self.directory / "migrations").iterdir():
            if path.name != "0001_rows.sql":
                path.unlink()
        for name in ("link.lua", "big.lua", "lib/deep.lua"):
            if os.path.lexists(self.directory / name):
                os.unlink(self.directory / name)
        e2e_host.write(self.directory / "migrations" / "0001_rows.sql", MIGRATION)
        e2e_host.write(self.directory / "lib" / "helper.lua", HELPER)
        self.value += 1
        self.host.save(self.directory / "init.lua", good(self.value), f"shop@1.0.{self.value}#")
        self.must_serve(self.host.call("shop.value").generation)

    def must_serve(self, label):
        answer = self.host.request("GET", "/value")
        assert (answer.status, answer.generation) == (200, label), answer
        assert answer.json() == {"value": self.value, "helped": "old"}
        assert self.host.ok("shop.rows") == 1

    def must_refuse(self, save, step, *reasons):
        """`save` must not go live; log and status must name the step and every reason
        (patterns)."""
        label, since = self.host.call("shop.value").generation, self.host.log_mark()
        save(self.directory)
        line = self.host.wait_log(since, level="error", timeout=20,
            where=lambda l: "not live" in l["msg"])
        self.must_serve(label)
        status = self.host.deploy_status(self.directory)
        assert (line["step"], status["step"], status["ok"]) == (step, step, False), line
        assert line["plugin"] == str(self.directory)
        for reason in reasons:
            assert re.search(reason, line["error"]), f"{reason!r} is not in {line['error']!r}"
            assert re.search(reason, status["message"]), status
        assert self.host.plugin_status("shop")["generation"] == label


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    plugins = folder / "plugins"
    e2e_host.write(plugins / "shop" / "lib" / "helper.lua", HELPER)
    e2e_host.write(plugins / "shop" / "migrations" / "0001_rows.sql", MIGRATION)
    e2e_host.write(plugins / "shop" / "init.lua", good())
    e2e_host.write(plugins / "claims" / "init.lua", e2e_plugins.constant(1, "claims", "/claimed"))
    host = e2e_host.Host(folder, plugins)
    try:
        host.start()
        yield Shop(plugins, host)
        host.stop()
    finally:
        host.discard()


def init(text):
    return lambda directory: e2e_host.write(directory / "init.lua", text)


def place(line, file="init.lua"):
    return rf"shop/{re.escape(file)}:{line}:"


def definition(field, new):
    """A main file with one field of its definition changed."""
    return init(good(2).replace(field, new, 1))


LOOP, LOOP_LINE = with_line("while true do end")
SYNTAX, SYNTAX_LINE = with_line("local x = = 1")
ERROR, ERROR_LINE = with_line('error("no luck today")')
NIL_CALL, NIL_CALL_LINE = with_line("local y = nothing.field")
CONSTRAINT, CONSTRAINT_LINE = with_line(
    'plugin:query "bad" { input = { x = t.integer { minimum = 1 } }, run = print }')
NO_TYPE, NO_TYPE_LINE = with_line('plugin:query "bad" { input = { x = t.integr }, run = print }')
NOT_TYPE, NOT_TYPE_LINE = with_line('plugin:query "bad" { input = { x = "integer" }, run = print }')
NO_RUN, NO_RUN_LINE = with_line('plugin:query "bad" { input = {} }')
FIELD, FIELD_LINE = with_line('plugin:query "bad" { inptu = {}, run = print }')
TWICE, TWICE_LINE = with_line('plugin:query "value" { run = print }')
GET_COMMAND, GET_COMMAND_LINE = with_line('plugin:command "bad" { http = "GET /bad", run = print }')
NO_PARAMETER, NO_PARAMETER_LINE = with_line(
    'plugin:query "bad" { http = "GET /bad/{id}", run = print }')
CLASH, CLASH_LINE = with_line('plugin:query "mine" { http = "GET /claimed", run = print }')
OWN_CLASH, OWN_CLASH_LINE = with_line('plugin:query "mine" { http = "GET /value", run = print }')
NO_MODULE, NO_MODULE_LINE = with_line('require "lib.missing"')
ERRORS, ERRORS_LINE = with_line('plugin:query "bad" { errors = { oops = 200 }, run = print }')
HUGE = "-- " + "x" * (1024 * 1024) + "\n"

CASES = {
    "syntax error": (init(SYNTAX), "verify", place(SYNTAX_LINE), "unexpected symbol"),
    "unfinished file": (init("local pinion = require 'pinion'\nlocal x = {"), "verify", place(2),
        "<eof>"),
    "error at load": (init(ERROR), "verify", place(ERROR_LINE), "no luck today"),
    "nil indexed at load": (init(NIL_CALL), "verify", place(NIL_CALL_LINE), "nothing"),
    "empty file": (init(""), "verify", "shop/init.lua", "return"),
    "no return": (init(good(2).replace("return plugin", "")), "verify", "shop/init.lua",
        "must return what pinion.plugin gave, got nil"),
    "another return": (init("return 1"), "verify", "shop/init.lua", "got number"),
    "no capability": (init(e2e_plugins.plugin("")), "verify", place(3), "capabilities"),
    "bytecode": (init(b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n"), "verify", "shop/init.lua",
        "compiled Lua"),
    "unknown constraint": (init(CONSTRAINT), "verify", place(CONSTRAINT_LINE), "'bad'", "minimum"),
    "unknown type": (init(NO_TYPE), "verify", place(NO_TYPE_LINE), "no type t.integr"),
    "no type at all": (init(NOT_TYPE), "verify", place(NOT_TYPE_LINE), "'bad'", "x", "string"),
    "no handler": (init(NO_RUN), "verify", place(NO_RUN_LINE), "'bad'", "'run' must be a function"),
    "unknown field": (init(FIELD), "verify", place(FIELD_LINE), "'bad'", "inptu"),
    "capability twice": (init(TWICE), "verify", place(TWICE_LINE), "'value'", "already defined at"),
    "GET for a command": (init(GET_COMMAND), "verify", place(GET_COMMAND_LINE),
        "GET is for queries"),
    "route without its member": (init(NO_PARAMETER), "verify", place(NO_PARAMETER_LINE), "'id'"),
    "an error that is none": (init(ERRORS), "verify", place(ERRORS_LINE), "400 to 599"),
    "bad version": (definition('"1.0.2"', '"1.0"'), "verify", place(3), "MAJOR.MINOR.PATCH",
        "'1.0'"),
    "bad name": (definition('"shop"', '"Shop!"'), "verify", place(3), "'Shop!'"),
    "bad layer": (definition('"innovation"', '"fast"'), "verify", place(3), "'fast'"),
    "unknown need": (definition('"db"', '"teleport"'), "verify", place(3), "no binding 'teleport'"),
    "unknown identity field": (definition("version =", "vresion ="), "verify", place(3), "vresion"),
    "missing module": (init(NO_MODULE), "verify", "module 'lib.missing' not found",
        place(NO_MODULE_LINE)),
    "route of another plugin": (init(CLASH), "prepare", place(CLASH_LINE), "'GET /claimed'",
        "'shop.mine'", "'claims.value'"),
    "route twice": (init(OWN_CLASH), "prepare", place(OWN_CLASH_LINE), "'GET /value'",
        "'shop.mine'", "'shop.value'"),
    "name of another directory": (definition('"shop"', '"claims"'), "verify", "'claims'",
        "already served from", "plugins/claims"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_broken_main_file(shop, name):
    save, step, *reasons = CASES[name]
    shop.must_refuse(save, step, *reasons)
    shop.restore()


def test_a_syntax_error_in_a_module(shop):
    shop.must_refuse(lambda d: e2e_host.write(d / "lib" / "helper.lua",
        "local helper = {}\nfunction helper.help( return 1 end\n"),
                     "verify", place(2, "lib/helper.lua"))
    shop.restore()


def test_an_error_in_a_module(shop):
    shop.must_refuse(lambda d: e2e_host.write(d / "lib" / "helper.lua",
        "\n\nerror 'module is broken'\n"),
                     "verify", place(3, "lib/helper.lua"), "module is broken")
    shop.restore()


def test_modules_that_require_each_other(shop):
    lib = shop.directory / "lib"
    shop.host.save(lib / "deep.lua", 'require "lib.helper"\n', f"shop@1.0.{shop.value}#")
    shop.must_refuse(
        lambda _: e2e_host.write(lib / "helper.lua", 'require "lib.deep"\nreturn {}\n'),
        "verify", "requires itself", place(1, "lib/deep.lua"))
    shop.restore()


@pytest.mark.limit(60)
def test_an_infinite_loop_at_load(shop):
    shop.must_refuse(init(LOOP), "verify", "CPU time|10 seconds")
    shop.restore()


@pytest.mark.limit(60)
def test_memory_eaten_at_load(shop):
    text, _ = with_line('local s = "x" while true do s = s .. s end')
    shop.must_refuse(init(text), "verify", "memory")
    shop.restore()


def migration(name, text):
    return lambda directory: e2e_host.write(directory / "migrations" / name, text)


MIGRATIONS = {
    "an SQL error": (migration("0002_bad.sql", "create table ok (x);\n\ncreat table more (x);\n"),
        r"0002_bad\.sql.*line 3", "syntax error"),
    "an SQL error behind good ones": (migration("0002_bad.sql",
        "insert into rows(v) values ('x');\ninsert into rows(v) values ('');"),
                                      r"0002_bad\.sql.*line 2", "CHECK"),
    "an applied one edited": (migration("0001_rows.sql", MIGRATION + "-- late\n"),
        r"0001_rows\.sql", "edited after it had been applied"),
    "a gap": (migration("0003_gap.sql", "select 1;"), r"0003_gap\.sql", "expected migration 2"),
    "a name that is none": (migration("rows.sql", "select 1;"), "rows.sql",
        "not a migration's name"),
    "the same number": (migration("0001_again.sql", "select 1;"), "0001_again.sql", "same number"),
    "its own transaction": (migration("0002_commit.sql", "commit; delete from rows;"),
        r"0002_commit\.sql"),
    "another database": (migration("0002_attach.sql",
        "attach '/tmp/pinion-should-not-exist.db' as x;"), r"0002_attach\.sql"),
    "nothing in it": (migration("0002_empty.sql", "-- nothing\n"), r"0002_empty\.sql",
        "no statement"),
}


@pytest.mark.parametrize("name", MIGRATIONS)
def test_a_migration_with(shop, name):
    save, *reasons = MIGRATIONS[name]
    shop.must_refuse(save, "verify", *reasons)
    shop.restore()


def test_an_applied_migration_removed(shop):
    def save(directory):
        migrations = directory / "migrations"  # in one step: what is between two may be deployed
        (migrations / "0001_rows.sql").rename(migrations / "0001_other.sql")
    shop.must_refuse(save, "verify", "0001", "under the name")
    shop.restore()


def test_a_failed_migration_does_not_stay_in_the_database(shop):
    shop.must_refuse(migration("0002_bad.sql",
        "create table half (x); insert into nowhere values (1);"), "verify", "nowhere")
    (shop.directory / "migrations" / "0002_bad.sql").unlink()
    shop.value += 1
    text = good(shop.value, BODY + 'plugin:query "tables" { output = t.integer, run = function(ctx)'
                """ return ctx.db:value("select count(*) from sqlite_schema where name = 'half'") end }""")
    shop.host.save(shop.directory / "init.lua", text, f"shop@1.0.{shop.value}#")
    assert shop.host.ok("shop.tables") == 0
    shop.restore()


def test_a_huge_file(shop):
    shop.must_refuse(lambda d: e2e_host.write(d / "big.lua", HUGE), "stage", "big.lua",
        "1048576|larger")
    shop.restore()


def test_a_symbolic_link(shop):
    shop.must_refuse(lambda d: os.symlink("/etc/passwd", d / "link.lua")
        or e2e_host.write(d / "init.lua", good(2)),
                     "stage", "link.lua", "symbolic link")
    shop.restore()


def test_a_tree_too_deep(shop):
    def save(directory):
        deep = directory / "extra" / "/".join("d" * 10)
        e2e_host.write(deep / "x.lua", "return 1\n")
        e2e_host.write(directory / "init.lua", good(2))
    shop.must_refuse(save, "stage", "nested")
    shop.restore()


def test_many_broken_saves_leave_no_process_and_no_file(shop):
    host = shop.host
    shop.must_refuse(init(SYNTAX), "verify")
    for number in range(20):
        since = host.log_mark()
        e2e_host.write(shop.directory / "init.lua", SYNTAX + f"-- {number}\n")
        host.wait_log(since, level="error")
    assert len(host.pids()) == 3
    children = pathlib.Path(f"/proc/{host.control_pid()}/task/{host.control_pid()}/children")
    # One stands by for the next save.
    e2e_host.wait_until("the end of those who verified", lambda: len(children.read_text().split()) == 1)
    assert [p.name for p in host.data.rglob("verify-*")] == []
    shop.restore()


def test_a_broken_plugin_does_not_keep_the_others_from_starting(folder, start_host):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "good" / "init.lua", e2e_plugins.constant(1, "good"))
    e2e_host.write(plugins / "bad" / "init.lua", "syntax error here\n")
    host = start_host(plugins)
    assert host.ok("good.value") == {"value": 1}
    assert host.deploy_status(plugins / "bad")["message"].startswith("bad/init.lua:1:")
    host.save(plugins / "bad" / "init.lua", e2e_plugins.constant(1, "bad"), "bad@1.0.1#1")
    assert host.ok("bad.value") == {"value": 1}
    assert host.deploy_status(plugins / "bad")["ok"]
