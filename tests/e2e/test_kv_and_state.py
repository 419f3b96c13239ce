"""Key-value data of plugins: ctx.kv is as durable as the command that wrote it, ctx.state is shared
by all workers and outlives swaps and workers, not the host."""

import os
import signal

import e2e_host
import e2e_plugins
import pytest
from e2e_http import request_bytes

pytestmark = pytest.mark.both_engines

BODY = """
plugin:command "put" { input = { key = t.string, value = t.any, fail = t.optional(t.boolean) },
    errors = { no = 409 }, output = t.any, run = function(ctx, input)
    ctx.kv:set(input.key, input.value)
    ctx.state:set("seen:" .. input.key, input.value)
    if input.fail then ctx:fail("no") end
    return ctx.kv:get(input.key) end }
plugin:query "find" { input = { key = t.string }, output = t.any, run = function(ctx, input)
    return ctx.kv:get(input.key) end }
plugin:query "peek" { input = { key = t.string }, output = t.any, run = function(ctx, input)
    return ctx.state:get(input.key) end }
plugin:command "count" { output = t.integer, run = function(ctx) return ctx.kv:incr("n") end }
plugin:action "hit" { input = { by = t.integer { default = 1 } }, output = t.integer,
    run = function(ctx, input) return ctx.state:incr("hits", input.by) end }
"""


def source(version="1.0.0", needs=("kv", "state"), name="shop"):
    return e2e_plugins.plugin(BODY, name=name, needs=list(needs), version=version)


@pytest.fixture
def plugins(folder):
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", source())
    return folder / "plugins"


def call_on(connection, capability, body=None):
    answer = connection.request("POST", f"/call/{capability}", {} if body is None else body)
    assert answer.status == 200, answer
    return answer.json()


def both_workers(host):
    """The worker that has the fewest connections takes the next."""
    connections = []
    for _ in range(8):
        connection = host.connect()
        call_on(connection, "shop.peek", {"key": "x"})
        connections.append(connection)
    assert all(w["connections"] for w in host.status()["workers"])
    return connections


def test_kv_is_read_by_all_workers_and_outlives_the_host(start_host, plugins):
    host = start_host(plugins, mode="serve")
    value = {"big": 9007199254740993, "list": [], "null": None, "text": "é"}
    for number, connection in enumerate(both_workers(host)):
        call_on(connection, "shop.put", {"key": f"k{number}", "value": value})
        for reader in both_workers(host):
            assert call_on(reader, "shop.find", {"key": f"k{number}"}) == value
            reader.close()
        connection.close()
    assert [host.ok("shop.count") for _ in range(3)] == [1, 2, 3]
    host.kill()
    host.start()
    assert host.ok("shop.find", {"key": "k7"}) == value
    assert host.ok("shop.count") == 4


def test_a_command_that_fails_leaves_nothing_in_kv(start_host, plugins):
    host = start_host(plugins)
    answer = host.call("shop.put", {"key": "k", "value": 1, "fail": True})
    assert (answer.status, answer.json()["code"]) == (409, "no")
    assert host.ok("shop.find", {"key": "k"}) is None
    assert host.ok("shop.peek", {"key": "seen:k"}) == 1  # no transaction holds it


def test_kv_survives_kill_9_of_its_home(start_host, plugins):
    host = start_host(plugins)
    host.may_die = True
    done = 0
    for round_ in range(6):
        for _ in range(20):
            answer = host.call("shop.count")
            if answer.status == 200:
                done = answer.json()
        os.kill(host.worker_pids()[round_ % 2], signal.SIGKILL)
        e2e_host.wait_until("an answer", lambda: answers(host, "shop.find", {"key": "n"}))
    assert host.ok("shop.find", {"key": "n"}) == done


def answers(host, capability, body=None):
    try:
        return host.call(capability, body).status == 200
    except OSError:
        return False


def test_state_is_shared_by_all_workers_and_counts_exactly(start_host, plugins):
    host = start_host(plugins)
    connections = both_workers(host)
    for connection in connections:
        connection.send(request_bytes("POST", "/call/shop.hit", {}) * 50)
    for connection in connections:
        for _ in range(50):
            assert connection.answer().status == 200
    assert {call_on(c, "shop.hit", {"by": 0}) for c in connections} == {50 * len(connections)}
    for connection in connections:
        connection.close()


def test_state_survives_a_swap_and_a_killed_worker_but_not_retirement(start_host, plugins):
    host = start_host(plugins)
    host.may_die = True
    assert host.ok("shop.hit", {"by": 5}) == 5
    host.save(plugins / "shop" / "init.lua", source("1.0.1"), "shop@1.0.1#")
    assert host.ok("shop.hit", {"by": 1}) == 6
    for pid in host.worker_pids():
        os.kill(pid, signal.SIGKILL)
    e2e_host.wait_until("two new workers", lambda: all(
        w["state"] == "serving" and w["respawns"] for w in host.status()["workers"]))
    assert host.ok("shop.hit", {"by": 1}) == 7
    (plugins / "shop" / "init.lua").rename(plugins / "init.txt")
    (plugins / "shop").rmdir()
    host.wait_log(msg="retired", plugin="shop")
    host.save(plugins / "shop" / "init.lua", source("1.0.2"), "shop@1.0.2#")
    assert host.ok("shop.hit", {"by": 1}) == 1


def test_state_is_bounded_by_the_configuration(start_host, folder):
    e2e_host.write(folder / "plugins" / "filler" / "init.lua", e2e_plugins.plugin("""
plugin:action "fill" { output = t.integer, run = function(ctx)
    local text, kept = ("x"):rep(1000), 0
    for i = 1, 2000 do ctx.state:set("k" .. i, text) end
    for i = 1, 2000 do if ctx.state:get("k" .. i) then kept = kept + 1 end end
    return kept end }
""", name="filler", needs=["state"], limits={"cpu_ms": 5000}))
    host = start_host(folder / "plugins", config={"limits": {"state_kb": 1024}})
    assert 700 < host.ok("filler.fill") < 1024


def test_each_plugin_has_its_own(start_host, plugins):
    e2e_host.write(plugins / "other" / "init.lua", source(name="other"))
    host = start_host(plugins)
    host.ok("shop.put", {"key": "k", "value": "mine"})
    assert host.ok("shop.hit") == 1
    assert host.ok("other.find", {"key": "k"}) is None
    assert host.ok("other.peek", {"key": "seen:k"}) is None
    assert host.ok("other.hit", {"by": 7}) == 7


def test_a_database_that_is_there_gets_its_pairs(start_host, plugins):
    """A plugin that comes to need kv; and one whose database another version of the host made."""
    init = plugins / "shop" / "init.lua"
    e2e_host.write(plugins / "shop" / "migrations" / "0001_t.sql", "create table t(a integer);")
    e2e_host.write(init, e2e_plugins.constant(1).replace('"innovation"', '"innovation", needs = { "db" }'))
    host = start_host(plugins)
    host.save(init, source("1.0.2", needs=("db", "kv", "state")), "shop@1.0.2#")
    assert host.ok("shop.put", {"key": "k", "value": [1]}) == [1]
    assert e2e_host.run("check", plugins, "--data", host.data).returncode == 0
