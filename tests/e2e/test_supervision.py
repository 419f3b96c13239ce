"""Supervision: which release is blamed for a worker's death, and what becomes of it."""

import os
import signal
import time

import e2e_host
import e2e_plugins
import pytest

# A sanitizer takes the others for itself.
CRASH = signal.SIGILL if e2e_host.IS_ASAN else signal.SIGSEGV

SPIN = """
plugin:query "spin" {{ run = function() while true do end end }}
plugin:query "value" {{ output = t.integer, run = function() return {value} end }}
plugin:query "routed" {{ http = "GET /spin", output = t.integer, run = function() return {value} end }}
"""


def spinning(value=1, **limits):
    return e2e_plugins.plugin(SPIN.format(value=value), name="spin", version=f"1.0.{value}",
                              limits=limits or {"cpu_ms": 60000, "wall_ms": 60000})


@pytest.fixture(name="host")
def fixture_host(folder, start_host):
    """One worker; "good" beside "spin", whose calls run until something ends them."""
    e2e_host.write(folder / "plugins" / "good" / "init.lua", e2e_plugins.constant(1, "good"))
    e2e_host.write(folder / "plugins" / "spin" / "init.lua", spinning())
    host = start_host(folder / "plugins", workers=1)
    host.may_die = True
    return host


def end_while_it_spins(host, number):
    """The worker gets the signal while the call runs."""
    pid = host.worker_pids()[0]
    with host.connect() as c:
        c.send(b"POST /call/spin.spin HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        time.sleep(0.05 * e2e_host.SLOW)
        os.kill(pid, number)
        c.read_to_end()
    e2e_host.wait_until("another worker", lambda: host.worker_pids()[0] not in (0, pid))
    assert host.ok("good.value") == {"value": 1}
    return pid


def state_of(host, plugin):
    return next(p for p in host.status()["plugins"] if p["name"] == plugin)


def test_a_crash_is_reported_with_what_ran(host):
    since = host.log_mark()
    end_while_it_spins(host, CRASH)
    line = host.wait_log(since, msg="what it was doing")
    assert (line["doing"], line["plugin"], line["capability"]) == ("call", "spin", "spin.spin")
    assert line["generation"] == 1
    if not e2e_host.IS_ASAN:
        assert line["signal"] == signal.SIGSEGV
        assert "spin/init.lua:" in line["traceback"]
    assert host.ok("spin.value") == 1


def test_three_strikes_quarantine_a_release(host):
    for _ in range(2):
        end_while_it_spins(host, CRASH)
        assert host.ok("spin.value") == 1
        assert state_of(host, "spin")["state"] == "serving"
    end_while_it_spins(host, CRASH)
    e2e_host.wait_until("the quarantine", lambda: host.call("spin.value").status == 503)
    for answer in (host.call("spin.value"), host.request("GET", "/spin")):
        assert (answer.status, answer.json()["code"]) == (503, "plugin_quarantined")
        assert answer.headers["retry-after"] == "1"
    state = state_of(host, "spin")
    assert state["state"] == "quarantined"
    assert state["quarantined_in"] == "call"
    assert f"signal {int(CRASH)}" in state["quarantined_for"]
    assert state_of(host, "good")["state"] == "serving"
    assert host.ok("good.value") == {"value": 1}


def test_what_is_repaired_is_served_and_what_is_not_is_refused(host, folder):
    for _ in range(3):
        end_while_it_spins(host, CRASH)
    e2e_host.wait_until("the quarantine", lambda: host.call("spin.value").status == 503)
    host.save(folder / "plugins" / "spin" / "init.lua", spinning(2))
    e2e_host.wait_until("the repair", lambda: host.call("spin.value").status == 200)
    assert host.ok("spin.value") == 2
    since = host.log_mark()
    e2e_host.write(folder / "plugins" / "spin" / "init.lua", spinning(1))
    refused = host.wait_log(since, msg="not live; what served before still serves")
    assert "quarantined" in refused["error"]
    assert host.ok("spin.value") == 2


def test_the_release_before_is_put_back(host, folder):
    host.save(folder / "plugins" / "spin" / "init.lua", spinning(2))
    e2e_host.wait_until("the change", lambda: host.ok("spin.value") == 2)
    since = host.log_mark()
    for _ in range(3):
        end_while_it_spins(host, CRASH)
    host.wait_log(since, msg="the release before is live again")
    answer = host.call("spin.value")
    assert (answer.status, answer.json()) == (200, 1)
    assert answer.generation == "spin@1.0.1#3"
    assert state_of(host, "spin")["state"] == "serving"


def test_a_worker_that_stands_still_is_killed_after_the_deadline(folder, start_host):
    e2e_host.write(folder / "plugins" / "good" / "init.lua", e2e_plugins.constant(1, "good"))
    e2e_host.write(folder / "plugins" / "spin" / "init.lua",
                   spinning(cpu_ms=60000, wall_ms=int(500 * e2e_host.SLOW)))
    host = start_host(folder / "plugins", workers=1, config={"stuck_ms": 60000})
    host.may_die = True
    since = host.log_mark()
    begun = time.monotonic()
    end_while_it_spins(host, signal.SIGSTOP)
    assert time.monotonic() - begun >= 1
    died = host.wait_log(since, msg="a process died")
    assert died["why"] == "it did not come back to its loop"
    assert host.wait_log(since, msg="what it was doing")["plugin"] == "spin"


def test_a_kill_from_outside_blames_nobody(host):
    for _ in range(4):
        end_while_it_spins(host, signal.SIGKILL)
    assert host.ok("spin.value") == 1
    assert state_of(host, "spin")["state"] == "serving"


def test_a_crash_while_loading_is_not_tried_for_ever(folder, start_host):
    e2e_host.write(folder / "plugins" / "good" / "init.lua", e2e_plugins.constant(1, "good"))
    e2e_host.write(folder / "plugins" / "slow" / "init.lua",
                   "local till = os.clock() + 0.25 while os.clock() < till do end\n"
                   + e2e_plugins.constant(1, "slow"))
    host = start_host(folder / "plugins", workers=1, mode="serve")
    host.may_die = True
    pid = host.worker_pids()[0]
    os.kill(pid, signal.SIGKILL)

    def loading():
        worker = host.status()["workers"][0]
        return worker["pid"] if worker["pid"] != pid and worker["state"] == "starting" else None

    for _ in range(3):
        pid = e2e_host.wait_until("a worker that loads", loading)
        time.sleep(0.05)
        os.kill(pid, CRASH)
    e2e_host.wait_until("the quarantine", lambda: state_of(host, "slow")["state"] == "quarantined")
    e2e_host.wait_until("a worker", lambda: host.status()["workers"][0]["state"] == "serving")
    assert host.ok("good.value") == {"value": 1}
    assert host.call("slow.value").json()["code"] == "plugin_quarantined"
    assert state_of(host, "slow")["quarantined_in"] == "load"
