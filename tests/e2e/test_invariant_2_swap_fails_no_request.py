"""Invariant 2: a swap fails no request, drops no connection, and closes no listener; nor does
memory grow by it.

PINION_FULL=1 makes the storm the full one: 200 swaps in 20 s."""

import json
import os
import pathlib
import statistics
import threading
import time

import e2e_host
import e2e_load
import e2e_plugins
import e2e_postgres
import pytest
from e2e_http import request_bytes

FULL = os.environ.get("PINION_FULL") == "1"
SWAPS, PACE = (200, 0.1) if FULL else (60, 0.1)
# Of all workers together: an old generation that stays takes far more over the swaps.
GROWTH_MAX = 1536 * 1024


def check_value(answer, _):
    if answer.status != 200:
        return f"{answer}"
    value = json.loads(answer.body)["value"]
    if not answer.generation.startswith(f"shop@1.0.{value}#"):
        return f"{answer.generation} answered {value}"
    return None


def listening_inode(host):
    """The kernel's number of the socket that listens."""
    port = int(host.listen.rsplit(":", 1)[1])
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rsplit(":", 1)[1], 16) == port and fields[3] == "0A":
            return fields[9]
    return None


@pytest.mark.limit(60 if FULL else 30)
def test_a_storm_of_swaps_under_64_connections(folder, start_host, capsys):
    plugins = folder / "plugins"
    init = plugins / "shop" / "init.lua"
    e2e_host.write(init, e2e_plugins.constant(0))
    host = start_host(plugins)
    inode, pids = listening_inode(host), host.worker_pids()
    request = request_bytes("POST", "/call/shop.value", {})
    took, settled, lua_settled = [], 0, 0
    with e2e_load.Load(host.listen, lambda _: request, check_value) as load, \
            e2e_load.Load(host.listen, lambda _: request, check_value, connections=2,
            renew_after=1) as fresh:
        for swap in range(1, SWAPS + 1):
            begun = time.monotonic()
            took.append(host.save(init, e2e_plugins.constant(swap), f"shop@1.0.{swap}#"))
            time.sleep(max(0, PACE - (time.monotonic() - begun)))
            if swap == 10:
                settled = host.workers_rss()
                lua_settled = sum(w["lua_bytes"] for w in host.status()["workers"])
    grown = host.workers_rss() - settled
    lua_grown = sum(w["lua_bytes"] for w in host.status()["workers"]) - lua_settled
    with capsys.disabled():
        print(f"\n{SWAPS} swaps, {load.count + fresh.count} answers,"
              f" {fresh.count} connections opened,"
              f" slowest answer {load.slowest * 1000:.1f} ms,"
              f" edit to live {statistics.median(took):.1f} ms median,"
              f" memory {grown / 1024:+.0f} KiB after the first ten, Lua {lua_grown:+d} bytes")
    assert load.failures == [] and fresh.failures == []
    assert listening_inode(host) == inode
    assert host.worker_pids() == pids
    assert e2e_host.IS_ASAN or grown < GROWTH_MAX
    assert lua_grown < 64 * 1024


@pytest.mark.both_engines
def test_commands_are_acknowledged_once_under_swaps(folder, start_host, engine):
    """A plugin that writes is swapped while 16 connections write through both workers: no answer is
    lost, no row is."""
    plugins = folder / "plugins"
    body = """
plugin:command "add" { input = { key = t.string }, output = { id = t.integer, value = t.integer },
    run = function(ctx, input)
    local row = ctx.db:one("insert into rows(key) values ($1) returning id", input.key)
    return { id = row.id, value = VALUE } end }
plugin:query "all" { output = t.array({ id = t.integer, key = t.string }), run = function(ctx)
    return ctx.db:all("select id, key from rows order by id limit 9000") end }
"""

    def source(value):
        return e2e_plugins.plugin(body.replace("VALUE", str(value)), version=f"1.0.{value}",
            needs=["db"])

    e2e_postgres.migration(plugins / "shop", "0001_rows",
        "create table rows (id integer primary key, key text unique);")
    e2e_host.write(plugins / "shop" / "init.lua", source(0))
    host = start_host(plugins)
    lock, acknowledged, number = threading.Lock(), {}, [0]

    def make(_):
        with lock:
            number[0] += 1
            return request_bytes("POST", "/call/shop.add", {"key": f"k{number[0]}"})

    def check(answer, sent):
        reason = check_value(answer, sent)
        if not reason:
            key = json.loads(sent.split(b"\r\n\r\n", 1)[1])["key"]
            acknowledged[key] = answer.json()["id"]
        return reason

    with e2e_load.Load(host.listen, make, check, connections=16) as load:
        for swap in range(1, 16):
            host.save(plugins / "shop" / "init.lua", source(swap), f"shop@1.0.{swap}#")
            load.wait_for(20)
    assert load.failures == []
    rows = {row["key"]: row["id"] for row in host.ok("shop.all")}
    assert rows == acknowledged
    if engine.name == "sqlite":  # a sequence of PostgreSQL's counts on
        assert sorted(rows.values()) == list(range(1, len(rows) + 1))


def test_a_migration_goes_live_under_load(folder, start_host):
    plugins = folder / "plugins"

    def source(value, columns):
        return e2e_plugins.plugin(f"""
plugin:command "add" {{ output = {{ value = t.integer }}, run = function(ctx)
    ctx.db:run("insert into rows({columns[0]}) values ({columns[1]})")
    return {{ value = {value} }} end }}
plugin:query "count" {{ output = t.integer,
    run = function(ctx) return ctx.db:value("select count(*) from rows") end }}
""", version=f"1.0.{value}", needs=["db"])

    migrations = plugins / "shop" / "migrations"
    e2e_host.write(migrations / "0001_rows.sql",
        "create table rows (id integer primary key, one text);")
    e2e_host.write(plugins / "shop" / "init.lua", source(0, ("one", "'x'")))
    host = start_host(plugins)
    request = request_bytes("POST", "/call/shop.add", {})
    with e2e_load.Load(host.listen, lambda _: request, check_value, connections=8) as load:
        for number in range(2, 8):
            e2e_host.write(migrations / f"{number:04d}_more.sql",
                f"alter table rows add column c{number} text default 'y';")
            host.save(plugins / "shop" / "init.lua", source(number, (f"c{number}", f"'{number}'")),
                f"shop@1.0.{number}#")
            load.wait_for(20)
    assert load.failures == []
    assert host.ok("shop.count") == load.count


def test_other_plugins_are_not_touched_by_a_swap(folder, start_host):
    plugins = folder / "plugins"
    for name in ("shop", "other"):
        e2e_host.write(plugins / name / "init.lua", e2e_plugins.constant(1, name))
    host = start_host(plugins)
    before = host.call("other.value").generation
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#")
    assert host.call("other.value").generation == before == "other@1.0.1#1"
