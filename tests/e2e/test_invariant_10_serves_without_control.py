"""Invariant 10: the data plane keeps serving while the control process is dead, and comes up
without it."""

import json
import os
import pathlib
import signal
import time

import e2e_host
import e2e_load
import e2e_plugins
import pytest
from e2e_http import request_bytes

REQUEST = request_bytes("POST", "/call/shop.value", {})
PATIENT = {"stuck_ms": 60000}


def check(answer, _):
    if answer.status != 200:
        return f"{answer}"
    value = json.loads(answer.body)["value"]
    return None if answer.generation.startswith(
        f"shop@1.0.{value}#") else f"{answer.generation} answered {value}"


@pytest.fixture
def plugins(folder):
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    return folder / "plugins"


def wait_new_control(host, old):
    def look():
        try:
            pid = host.control_pid()
        except OSError:
            return None  # nobody answers at the admin address yet
        return pid if pid != old else None
    return e2e_host.wait_until("a new control process", look)


def test_control_killed_under_load_fails_no_request(plugins, start_host):
    host = start_host(plugins)
    host.may_die = True
    workers = host.worker_pids()
    with e2e_load.Load(host.listen, lambda _: REQUEST, check) as load, \
            e2e_load.Load(host.listen, lambda _: REQUEST, check, connections=2,
            renew_after=1) as fresh:
        control = host.control_pid()
        for value in range(2, 5):
            os.kill(control, signal.SIGKILL)
            load.wait_for(500)
            control = wait_new_control(host, control)
            host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(value),
                f"shop@1.0.{value}#")
            load.wait_for(100)
    assert load.failures == [] and fresh.failures == []
    assert host.worker_pids() == workers
    assert host.ok("shop.value") == {"value": 4}
    assert len(host.log(msg="a process died", which="control")) == 3


def test_a_save_made_while_control_is_dead_goes_live(plugins, start_host):
    host = start_host(plugins)
    host.may_die = True
    for value in range(2, 6):
        since, control = host.log_mark(), host.control_pid()
        os.kill(control, signal.SIGKILL)
        e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(value))
        host.wait_log(since, msg="live", generation=f"shop@1.0.{value}#{value}")
        assert host.ok("shop.value") == {"value": value}
        wait_new_control(host, control)


def test_a_plugin_removed_while_control_is_dead_is_retired(plugins, start_host):
    e2e_host.write(plugins / "extra" / "init.lua", e2e_plugins.constant(1, "extra"))
    host = start_host(plugins)
    host.may_die = True
    control = host.control_pid()
    os.kill(control, signal.SIGKILL)
    (plugins / "extra" / "init.lua").unlink()
    (plugins / "extra").rmdir()
    wait_new_control(host, control)
    e2e_host.wait_until("the plugin to be retired", lambda: host.call("extra.value").status == 404)
    assert host.ok("shop.value") == {"value": 1}


def test_a_broken_save_is_harmless_also_to_a_new_control(plugins, start_host):
    """It cannot tell which plugin the broken directory holds, and must not take the one that serves
    for a stranger."""
    e2e_host.write(plugins / "extra" / "init.lua", e2e_plugins.constant(1, "extra"))
    host = start_host(plugins)
    host.may_die = True
    since = host.log_mark()
    e2e_host.write(plugins / "shop" / "init.lua", "this is broken")
    host.wait_log(since, level="error")
    since, control = host.log_mark(), host.control_pid()
    os.kill(control, signal.SIGKILL)
    wait_new_control(host, control)
    host.wait_log(since, level="error", where=lambda line: "not live" in line["msg"])
    assert host.ok("shop.value") == {"value": 1}
    host.stop()
    host.start()
    assert host.ok("shop.value") == {"value": 1}
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#2")


def test_control_killed_in_the_middle_of_a_swap(plugins, start_host):
    """Whatever was under way, the new one is live in the end, in every worker, and answers never
    mix."""
    host = start_host(plugins)
    host.may_die = True
    with e2e_load.Load(host.listen, lambda _: REQUEST, check, connections=16) as load:
        for value in range(2, 8):
            since, control = host.log_mark(), host.control_pid()
            e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(value))
            time.sleep(0.0015 * value)
            os.kill(control, signal.SIGKILL)
            wait_new_control(host, control)
            e2e_host.wait_until("the save to be live everywhere", lambda v=value: {
                host.ok("shop.value")["value"] for _ in range(20)} == {v})
            assert not host.log(since, msg="not live; what served before still serves")
    assert load.failures == []


def test_workers_serve_and_respawn_while_control_is_stopped(plugins, start_host):
    host = start_host(plugins, config=PATIENT)
    host.may_die = True
    control, workers = host.control_pid(), host.worker_pids()
    os.kill(control, signal.SIGSTOP)
    try:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        e2e_host.wait_until("an answer", lambda: host.call("shop.value").status == 200)
        e2e_host.wait_until("two workers", lambda: len(host.pids()) == 3)
        for _ in range(20):
            answer = host.call("shop.value")
            assert (answer.json(), answer.generation) == ({"value": 1}, "shop@1.0.1#1")
    finally:
        os.kill(control, signal.SIGCONT)
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#2")
    assert {host.ok("shop.value")["value"] for _ in range(20)} == {2}


def test_a_stopped_control_is_replaced(plugins, start_host):
    host = start_host(plugins, config={"stuck_ms": int(500 * e2e_host.SLOW)})
    host.may_die = True
    since, control = host.log_mark(), host.control_pid()
    os.kill(control, signal.SIGSTOP)
    with e2e_load.Load(host.listen, lambda _: REQUEST, check, connections=8) as load:
        host.wait_log(since, msg="a process died", which="control")
        wait_new_control(host, control)
    assert load.failures == []
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#2")


def stop_control_at_start(host):
    """Stops the third child, control, before it can do anything for the workers."""
    children = pathlib.Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children")
    pids = e2e_host.wait_until("three children", lambda: (p := children.read_text().split())
        and len(p) == 3 and p)
    os.kill(int(pids[2]), signal.SIGSTOP)
    return int(pids[2])


def test_a_host_comes_up_without_control(plugins, start_host):
    host = start_host(plugins, mode="serve", config=PATIENT)
    host.stop()
    host.start(wait=False)
    control = stop_control_at_start(host)
    try:
        e2e_host.wait_until("the addresses", host.take_addresses)
        e2e_host.wait_until("an answer", lambda: host.call("shop.value").status == 200)
        for _ in range(20):
            assert host.call("shop.value").generation == "shop@1.0.1#1"
    finally:
        os.kill(control, signal.SIGCONT)
    host.wait_ready()


def test_a_host_stops_while_control_is_stopped(plugins, start_host):
    host = start_host(plugins, config=PATIENT)
    os.kill(host.control_pid(), signal.SIGSTOP)
    host.stop()


def test_what_was_published_needs_no_directory(plugins, start_host):
    host = start_host(plugins, mode="serve")
    host.stop()
    (plugins / "shop" / "init.lua").unlink()
    host.plugins = []
    host.start()
    assert host.ok("shop.value") == {"value": 1}


def test_serve_deploys_what_differs_and_nothing_else(plugins, start_host):
    host = start_host(plugins, mode="serve")
    host.stop()
    host.start()
    assert host.call("shop.value").generation == "shop@1.0.1#1"
    assert not host.log(msg="live")
    host.stop()
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(2))
    host.start()
    assert host.call("shop.value").generation == "shop@1.0.2#2"
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(3))
    time.sleep(0.2)
    assert host.call("shop.value").generation == "shop@1.0.2#2", "serve does not watch"
