"""Queries that declare `cache`: their answers are kept for a time, and given as long as they are true."""

import concurrent.futures
import time

import e2e_host
import e2e_plugins
import e2e_postgres
import pytest

BODY = """
local runs = 0
plugin:query "count" { cache = "30s", http = "GET /count", headers = { caller = "X-Who" },
    input = { about = t.optional(t.string), caller = t.optional(t.string) },
    output = { runs = t.integer, rows = t.integer, release = t.integer }, run = function(ctx, input)
    runs = runs + 1
    return { runs = runs, rows = ctx.db:value("select count(*) from rows"), release = RELEASE } end }
plugin:query "slow" { cache = "30s", output = t.integer, run = function(ctx)
    runs = runs + 1
    local till = os.clock() + 0.05
    while os.clock() < till do end
    return runs end }
plugin:command "add" { output = t.integer, run = function(ctx)
    ctx.db:run("insert into rows default values")
    return ctx.db:value("select count(*) from rows") end }
"""


def source(release=1):
    return e2e_plugins.plugin(BODY.replace("RELEASE", str(release)), version=f"1.0.{release}", needs=["db"])


@pytest.fixture
def shop(folder):
    directory = folder / "plugins" / "shop"
    e2e_postgres.migration(directory, "0001_rows", "create table rows (id integer primary key);")
    e2e_host.write(directory / "init.lua", source())
    return directory


def many_connections(host):
    """The worker that has the fewest connections takes the next."""
    connections = []
    for _ in range(8):
        connections.append(host.connect())
        connections[-1].request("POST", "/call/shop.count", {"about": "nothing"})
    assert all(worker["connections"] for worker in host.status()["workers"])
    return connections


@pytest.mark.both_engines
def test_the_answer_says_whether_it_was_kept(start_host, shop):
    host = start_host(shop, mode="serve", workers=1)
    first = host.request("GET", "/count?about=x")
    again = host.request("GET", "/count?about=x")
    assert (first.status, first.headers["pinion-cache"]) == (200, "miss")
    assert (again.status, again.headers["pinion-cache"], again.body) == (200, "hit", first.body)
    assert again.headers["pinion-generation"] == first.headers["pinion-generation"]
    assert again.headers["pinion-trace-id"] != first.headers["pinion-trace-id"]
    assert host.request("GET", "/count?about=y").headers["pinion-cache"] == "miss"
    # A header that is a member of the input is part of what was asked; any other is not.
    assert host.request("GET", "/count?about=x", headers=[("X-Who", "me")]).headers["pinion-cache"] == "miss"
    assert host.request("GET", "/count?about=x", headers=[("X-Other", "me")]).headers["pinion-cache"] == "hit"
    assert "pinion-cache" not in host.request("POST", "/call/shop.add", {}).headers


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_command_wrote_is_seen_by_every_worker_at_once(start_host, shop, workers):
    host = start_host(shop, mode="serve", workers=workers)
    connections = many_connections(host)
    seen = {"hit": 0, "miss": 0}
    for rows in range(1, 101):
        assert connections[rows % 8].request("POST", "/call/shop.add", {}).json() == rows
        for number in range(3):
            answer = connections[(rows * 3 + number) % 8].request("POST", "/call/shop.count", {})
            assert answer.json()["rows"] == rows
            seen[answer.headers["pinion-cache"]] += 1
    assert seen["hit"] >= 100 and seen["miss"] >= 100


def test_nothing_that_was_answered_is_missing_from_a_kept_answer(start_host, shop):
    """Readers at every worker while somebody writes: what was acknowledged before they asked is there."""
    host = start_host(shop, mode="serve", workers=2)
    connections = many_connections(host)
    acknowledged, until = [0], time.monotonic() + 1.5

    def write():
        while time.monotonic() < until:
            acknowledged[0] = connections[0].request("POST", "/call/shop.add", {}).json()
            time.sleep(0.002)

    def read(connection):
        hits = 0
        while time.monotonic() < until:
            before = acknowledged[0]
            answer = connection.request("POST", "/call/shop.count", {})
            assert answer.json()["rows"] >= before
            hits += answer.headers["pinion-cache"] == "hit"
        return hits

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, connection) for connection in connections[1:]]
        pool.submit(write).result()
        assert sum(reader.result() for reader in readers) > 0
    assert acknowledged[0] > 20


@pytest.mark.both_engines
def test_calls_that_come_together_run_once(start_host, shop):
    host = start_host(shop, mode="serve", workers=1)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: host.request("POST", "/call/shop.slow", {}), range(8)))
    assert [answer.json() for answer in answers] == [1] * 8
    assert sorted(answer.headers["pinion-cache"] for answer in answers) == ["hit"] * 7 + ["miss"]


@pytest.mark.both_engines
def test_another_release_answers_for_itself(start_host, shop):
    host = start_host(shop, workers=1)
    assert host.request("GET", "/count").json()["release"] == 1
    e2e_host.write(shop / "init.lua", source(2))
    until = time.monotonic() + 20
    while host.request("GET", "/count").json()["release"] != 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    answer = host.request("GET", "/count")
    assert (answer.headers["pinion-cache"], answer.json()["release"]) == ("hit", 2)


@pytest.mark.both_engines
def test_a_cache_that_cannot_be_is_refused(start_host, shop):
    for wrong, why in [('plugin:command "c" { cache = "5s", run = print }', "'cache' is for queries"),
                       ('plugin:query "c" { cache = "5 s", output = t.any, run = print }', "'cache' is a number of"),
                       ('plugin:query "c" { cache = "2d", output = t.any, run = print }', "at most 1 day"),
                       ('plugin:query "c" { cache = 5, run = print }', "'cache' needs an 'output'")]:
        e2e_host.write(shop / "init.lua", e2e_plugins.plugin(wrong, needs=["db"]))
        checked = e2e_host.run("check", str(shop))
        assert checked.returncode == 1 and why in checked.stdout + checked.stderr
