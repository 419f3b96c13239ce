"""pinion check: what it finds, in which form it says so, and with which exit code."""

import json
import os
import shutil
import stat

import e2e_host
import e2e_plugins
import pytest
from e2e_host import run

QUERY = 'plugin:query "value" { input = { n = t.integer }, run = function() end }'
NARROWED = 'plugin:query "value" { input = { n = t.integer { max = 9 } }, run = function() end }'


@pytest.fixture
def plugins(folder):
    """A folder of plugins to write into; commands run beside it, and name it 'plugins'."""
    (folder / "plugins").mkdir()
    return folder / "plugins"


def put(plugins, body=QUERY, name="shop", **options):
    directory = plugins / name
    e2e_host.write(directory / "init.lua", e2e_plugins.plugin(body, name=name, **options))
    return directory


def check(plugins, *arguments, **options):
    return run("check", *(arguments or ["plugins"]), cwd=plugins.parent, **options)


def findings(plugins, *arguments, code=1):
    result = check(plugins, *(arguments or ["plugins"]), "--json")
    assert result.returncode == code, result
    told = json.loads(result.stdout)
    assert told["good"] == (code == 0)
    assert told["errors"] == len([f for f in told["findings"] if f["severity"] == "error"])
    return told["findings"]


def without_luacheck(found):
    return [f for f in found if f["check"] != "luacheck"]


@pytest.fixture
def lint(folder, monkeypatch):
    """lint(script) puts a luacheck of its own first, lint(None) takes it away."""
    def replace(script):
        place = folder / "bin"
        place.mkdir()
        if script is not None:
            path = place / "luacheck"
            path.write_text(script)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(place))
    return replace


def test_the_shipped_plugins_are_good():
    result = run("check", "plugins", cwd=e2e_host.ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("checked 3 plugins in ")
    assert " 0 errors, 0 warnings\n" in result.stdout


@pytest.mark.parametrize("line, named", [
    ([], "directory"),
    (["plugins", "--fly"], "--fly"),
    (["plugins", "--against"], "--against"),
    (["plugins", "--json", "--github"], "exclude"),
    (["plugins", "--data", "nowhere"], "nowhere"),
    (["nowhere"], "nowhere"),
    (["plugins", "--against", "nobody"], "nobody"),
    (["plugins", "--against", "Not/A-release"], "Not/A-release"),
])
def test_wrong_usage_is_2_and_names_it(line, named):
    result = run("check", *line, cwd=e2e_host.ROOT)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in result.stderr


def test_all_problems_of_all_plugins_are_told(plugins):
    put(plugins, "plugin query 'x' {}", name="alpha")
    put(plugins, "local x <const> = nothing.at.all", name="beta")
    put(plugins, """
plugin:query "first" { input = { n = t.integer { color = 1 } }, run = function() end }
plugin:query "second" { run = function() end }
plugin:query "third" { output = 7, run = function() end }""", name="gamma")
    put(plugins, QUERY, name="good")
    found = without_luacheck(findings(plugins))
    assert [(f["file"], f["line"], f["check"]) for f in found] == [
        ("plugins/alpha/init.lua", 4, "load"), ("plugins/beta/init.lua", 4, "load"),
        ("plugins/gamma/init.lua", 5, "load"), ("plugins/gamma/init.lua", 7, "load")]
    assert "syntax error near 'query'" in found[0]["message"]
    assert "has no constraint 'color'" in found[2]["message"]
    assert "query 'third'" in found[3]["message"]


def test_text_is_a_line_for_each_and_a_summary(plugins):
    put(plugins, "plugin query 'x' {}")
    result = check(plugins)
    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (1, "")
    assert lines[0] == "plugins/shop/init.lua:4: error: syntax error near 'query'"
    assert lines[-1].startswith("checked 1 plugin in ") and ": 1 error, 0 warnings" in lines[-1]
    assert "\033" not in result.stdout


def test_paths_are_told_from_where_it_runs(plugins):
    directory = put(plugins, "plugin query 'x' {}")
    result = run("check", ".", cwd=directory)
    assert result.stdout.startswith("init.lua:4: error: ")
    assert check(plugins, "./plugins/shop/").stdout.startswith("plugins/shop/init.lua:4: error: ")


def test_annotations_are_escaped(plugins):
    directory = plugins / "a,b:c%"
    e2e_host.write(directory / "init.lua", "error('50% of\\nall: this, that')")
    lines = check(plugins, "plugins", "--github").stdout.splitlines()
    assert lines[0] == "::error file=plugins/a%2Cb%3Ac%25/init.lua,line=1,title=pinion check" \
        "%3A load::50%25 of%0Aall: this, that"


def test_routes_clash_between_the_plugins_given(plugins):
    route = 'plugin:query "{}" {{ http = "GET /{}", input = {{ id = t.optional(t.integer) }},\n' \
        '    run = function() end }}'
    put(plugins, route.format("one", "x/{id}"), name="alpha")
    put(plugins, route.format("two", "x/{id}") + "\n" + route.format("bad", "{id}/{id}"),
        name="beta")
    found = without_luacheck(findings(plugins))
    assert [(f["file"], f["line"], f["check"]) for f in found] == [
        ("plugins/beta/init.lua", 4, "routes"), ("plugins/beta/init.lua", 6, "routes")]
    assert found[0]["message"] == "route 'GET /x/{id}' of 'beta.two@1' is already claimed by " \
        "'alpha.one@1' at alpha/init.lua:4"
    assert findings(plugins, "plugins/alpha", code=0) == []


def test_a_plugin_is_in_one_directory(plugins):
    put(plugins, name="shop")
    shutil.copytree(plugins / "shop", plugins / "zcopy")
    found = without_luacheck(findings(plugins))
    assert found[0]["message"] == "plugin 'shop' is already in 'plugins/shop'"


def test_needs_that_do_not_match_the_code(plugins):
    put(plugins, QUERY, name="alpha", needs=["db"])
    put(plugins, '-- ctx.db is not used here\nplugin:query "q" { run = function(ctx)\n'
        'return ctx.db:one("x") end }', name="beta")
    found = without_luacheck(findings(plugins, code=0))
    assert [(f["severity"], f["check"], f["file"], f.get("line")) for f in found] == [
        ("warning", "needs", "plugins/alpha/init.lua", None),
        ("warning", "needs", "plugins/beta/init.lua", 6)]
    put(plugins, QUERY, name="alpha", needs=["redis"])
    assert "this host has no binding 'redis'" in findings(plugins)[0]["message"]


def test_files_that_nothing_uses(plugins):
    shop = put(plugins, 'local used = require "lib.used"\n' + QUERY +
        '\nplugin:type "doc" (t.json_schema "doc.json")\nassert(used)')
    for name, text in (("lib/used.lua", "return 1"), ("lib/unused.lua", "return 1"),
                       ("doc.json", "{}"), ("old.json", "{}"), ("stray.sql", "select 1;"),
                       ("README.md", "x")):
        e2e_host.write(shop / name, text)
    found = without_luacheck(findings(plugins, code=0))
    assert [(f["file"], f["severity"], f["check"]) for f in found] == [
        (f"plugins/shop/{name}", "warning", "unused")
        for name in ("lib/unused.lua", "old.json", "stray.sql")]


def test_migrations_are_tried(plugins):
    use = 'plugin:query "q" { run = function(ctx) return ctx.db:all("select 1") end }'
    shop = put(plugins, use, needs=["db"])
    e2e_host.write(shop / "migrations" / "0001_a.sql", "create table a(x integer) strict;")
    assert without_luacheck(findings(plugins, code=0)) == []
    e2e_host.write(shop / "migrations" / "0002_b.sql", "-- b\ncreate table b(x);\nselec 1;")
    found = without_luacheck(findings(plugins))
    assert [(f["file"], f["line"], f["check"]) for f in found] == [
        ("plugins/shop/migrations/0002_b.sql", 3, "migrations")]
    e2e_host.write(shop / "migrations" / "0002_b.sql", "create table b(x integer) strict;")
    e2e_host.write(shop / "migrations" / "0004_d.sql", "create table d(x integer) strict;")
    found = without_luacheck(findings(plugins))
    assert found[0]["file"] == "plugins/shop/migrations/0004_d.sql"
    assert "expected migration 3, got 4" in found[0]["message"]
    put(plugins, "plugin query 'x' {}", needs=["db"])
    assert [f["check"] for f in without_luacheck(findings(plugins))] == ["load", "migrations"]


def test_migrations_are_tried_on_a_copy_of_the_data(plugins, start_host):
    use = 'plugin:command "add" { run = function(ctx) ctx.db:run("insert into a values (null)") end }'
    shop = put(plugins, use, needs=["db"])
    e2e_host.write(shop / "migrations" / "0001_a.sql", "create table a(x integer) strict;")
    host = start_host(plugins)
    host.ok("shop.add")
    host.stop()
    e2e_host.write(shop / "migrations" / "0002_b.sql",
        "create table b(x integer not null) strict;\ninsert into b select x from a;")
    assert without_luacheck(findings(plugins, code=0)) == []
    found = without_luacheck(findings(plugins, "plugins", "--data", host.data))
    assert "NOT NULL" in found[0]["message"]
    assert found[0]["file"] == "plugins/shop/migrations/0002_b.sql"
    assert not list((host.data / "db").glob("verify*"))


def test_against_older_plugins(plugins, folder):
    put(plugins, QUERY + '\nplugin:query "gone" { run = function() end }')
    put(plugins, QUERY, name="same")
    shutil.copytree(plugins, folder / "old")
    put(plugins, NARROWED + '\nplugin:query "new" { run = function() end }', version="1.1.0")
    put(plugins, QUERY, name="unknown_before")
    found = findings(plugins, "plugins", "--against", folder / "old")
    assert [(f["severity"], f["rule"], f["file"], f.get("line")) for f in found] == [
        ("error", "capability-removed", "plugins/shop/init.lua", None),
        ("error", "input-narrowed", "plugins/shop/init.lua", 4),
        ("notice", "capability-added", "plugins/shop/init.lua", 5)]
    assert found[1] == {"severity": "error", "check": "contract", "rule": "input-narrowed",
        "file": "plugins/shop/init.lua", "line": 4,
        "message": "shop.value@1 input/n: max was none, is 9",
        "capability": "shop.value@1", "place": "input/n", "change": "max was none, is 9",
        "breaks": "callers", "refused": True}
    put(plugins, QUERY, version="2.0.0")
    found = findings(plugins, "plugins", "--against", folder / "old", code=0)
    assert [(f["severity"], f["rule"], f["breaks"]) for f in found] == [
        ("warning", "capability-removed", "callers")]
    text = check(plugins, "plugins", "--against", folder / "old").stdout
    assert "plugins/shop/init.lua: warning: shop.gone@1: the query is gone (capability-removed)\n" \
        in text


def test_against_a_release(plugins, start_host):
    put(plugins, QUERY, version="1.0.0")
    host = start_host(plugins / "shop", mode="serve", into="host")
    host.stop()
    put(plugins, NARROWED, version="1.0.1")
    for release in ("shop", "shop@1.0.0", "shop@1.0.0#1"):
        found = findings(plugins, "plugins", "--against", release, "--data", host.data)
        assert [f["rule"] for f in found] == ["input-narrowed"]
    for release in ("shop@1.0.1", "shop@1.0.0#2", "shop@1", "other", "shop#x"):
        result = check(plugins, "plugins", "--against", release, "--data", host.data)
        assert result.returncode == 2 and release in result.stderr
    put(plugins, 'plugin:query "more" { run = function() end }\n' + QUERY, version="1.1.0")
    host.start()
    host.stop()
    put(plugins, QUERY, version="1.2.0")
    found = findings(plugins, "plugins", "--against", "shop", "--data", host.data)
    assert [f["rule"] for f in found] == ["capability-removed"]
    assert findings(plugins, "plugins", "--against", "shop@1.0.0#1", "--data", host.data,
        code=0) == []


def test_old_plugins_that_cannot_be_loaded_are_told(plugins, folder):
    put(plugins)
    shutil.copytree(plugins, folder / "old")
    e2e_host.write(folder / "old" / "shop" / "init.lua", "plugin query")
    found = findings(plugins, "plugins", "--against", "old")
    assert found[0]["message"].startswith("nothing is compared with this: ")
    assert (found[0]["file"], found[0]["line"]) == ("old/shop/init.lua", 1)


@pytest.mark.skipif(not shutil.which("luacheck"), reason="luacheck is not installed")
def test_luacheck_knows_the_sandbox(plugins):
    put(plugins, "local unused = 1\nprint(os.time(), string.dump, io)\nos.execute('x')\n" + QUERY)
    found = [f for f in findings(plugins, code=1) if f["check"] == "luacheck"]
    assert [(f["rule"], f["severity"], f["line"]) for f in found] == [
        ("W211", "warning", 4), ("W143", "warning", 5), ("W113", "warning", 5),
        ("W143", "warning", 6)]
    text = check(plugins).stdout
    assert "plugins/shop/init.lua:4:7: warning: unused variable 'unused' (luacheck W211)\n" in text


def test_without_luacheck_it_says_so(plugins, lint):
    put(plugins)
    lint(None)
    result = check(plugins)
    assert result.returncode == 0
    assert result.stdout.endswith("luacheck is not installed: what it would find is not known\n")
    told = json.loads(check(plugins, "plugins", "--json").stdout)
    assert (told["luacheck"], told["findings"]) == ("not installed", [])


def test_a_luacheck_that_does_not_work_is_a_warning(plugins, lint):
    put(plugins)
    lint("#!/bin/sh\necho 'Critical error: out of ink'\nexit 3\n")
    result = check(plugins)
    assert result.returncode == 0
    assert "warning: luacheck failed: Critical error: out of ink\n" in result.stdout


def test_directories_are_left_as_they_were(plugins):
    put(plugins)
    before = sorted(os.listdir(plugins / "shop")), sorted(os.listdir(plugins.parent))
    assert check(plugins).returncode == 0
    assert before == (sorted(os.listdir(plugins / "shop")), sorted(os.listdir(plugins.parent)))


def breaks(plugins, *arguments):
    return [(f["file"], f["line"], f["rule"], f["severity"])
        for f in findings(plugins, "plugins", *arguments, code=0) if f["check"] == "migrations"]


def test_migrations_that_break_the_release_before_are_told(plugins, start_host):
    """With --data by what the database has, with --against by what the older plugin has; alone nothing is known."""
    shop = put(plugins, needs=["db"])
    (shop / "init.lua").write_text((shop / "init.lua").read_text() + "-- ctx.db\n")
    e2e_host.write(shop / "migrations" / "0001_a.sql", "create table a(x integer, y text);")
    shutil.copytree(plugins, plugins.parent / "old")
    host = start_host(plugins, mode="serve")
    host.stop()
    assert breaks(plugins, "--data", host.data) == []
    e2e_host.write(shop / "migrations" / "0002_b.sql", "-- only adds\nalter table a add column z text;")
    e2e_host.write(shop / "migrations" / "0003_c.sql",
        "-- takes away\nalter table a rename column x to w;\n\ncreate unique index a_y on a(y);")
    due = [("plugins/shop/migrations/0003_c.sql", 2, "column-renamed", "warning"),
        ("plugins/shop/migrations/0003_c.sql", 4, "unique-added", "warning")]
    for arguments in (("--data", host.data), ("--against", "old"),
            ("--against", "shop", "--data", host.data)):
        assert breaks(plugins, *arguments) == due, arguments
    assert breaks(plugins) == []
    text = check(plugins, "plugins", "--against", "old")
    assert text.returncode == 0
    assert "plugins/shop/migrations/0003_c.sql:2: warning: 'x' of 'a' is gone, and 'w' is new" in text.stdout
    assert "(column-renamed)" in text.stdout
