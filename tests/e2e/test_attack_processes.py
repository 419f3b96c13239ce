"""Signals from elsewhere, stopped processes and edited files: nobody is hurt who need not be."""

import os
import signal
import time

import e2e_plugins
from e2e_host import wait_until, write


def process_named(host, name):
    for pid in host.pids():
        with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            if comm.read().strip() == name:
                return pid
    return None


def start(start_host, folder, **options):
    write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    return start_host(folder / "plugins", **options)


def test_a_worker_that_somebody_told_to_stop_is_replaced(start_host, folder):
    host = start(start_host, folder)
    host.may_die = True
    told = process_named(host, "worker-0")
    os.kill(told, signal.SIGTERM)
    wait_until("another worker in its place", lambda: process_named(host, "worker-0") not in (told, None))
    wait_until("both to serve", lambda: [w["state"] for w in host.status()["workers"]] == ["serving"] * 2)
    assert host.ok("shop.value") == {"value": 1}


def test_a_host_that_was_stopped_and_continued_kills_nobody(start_host, folder):
    host = start(start_host, folder, config={"stuck_ms": 1000})
    before = sorted(host.pids())
    for pid in [host.process.pid, *before]:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    # The supervisor first: it must not take the others' silence for being stuck.
    os.kill(host.process.pid, signal.SIGCONT)
    time.sleep(0.2)
    for pid in before:
        os.kill(pid, signal.SIGCONT)
    wait_until("an answer", lambda: host.call("shop.value").status == 200)
    assert sorted(host.pids()) == before
