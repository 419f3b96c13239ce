"""One workload on one peer under wrk, and what it cost the server.

The server starts fresh, is asked for correct answers and refusals, is warmed up for a second, and
is then measured. CPU per request is all the time the server's processes were charged for over the
run, divided by the requests wrk saw answered.
"""
import json
import os
import shutil
import signal
import subprocess
import time

from harness.client import check_answers
from harness.peers import BENCH
from harness.process import (LOAD_CORE, Failed, cpu_seconds, machine_seconds, memory_mb, spawn,
                             wait_until)
from harness.site import Site

CONNECTIONS = 64
WARM_UP_SECONDS = 1
START_SECONDS = 10
ERRORS = ("status", "connect", "read", "write", "timeout")


class Wrk:
    """A running wrk. finish() answers its figures; stop() ends it early, which it reports on as
    usual.
    """

    def __init__(self, work, port, seconds):
        self.child = spawn(
            [shutil.which("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", work + ".lua",
             f"http://127.0.0.1:{port}"],
            LOAD_CORE, cwd=os.path.join(BENCH, "wrk"), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    def stop(self):
        self.child.send_signal(signal.SIGINT)

    def finish(self):
        text = self.child.communicate()[0]
        lines = [line for line in text.splitlines() if line.startswith("{")]
        if not lines:
            raise Failed("wrk said nothing to read: " + " ".join(text.split())[-200:])
        return json.loads(lines[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def failed_requests(figures):
    return sum(figures[name] for name in ERRORS)


def answers(port, work):
    """True once the peer answers as it should; False while it is not there yet."""
    try:
        check_answers(port, work)
    except ConnectionError:
        return False
    return True


def run_wrk(work, port, seconds):
    with Wrk(work, port, seconds) as wrk:
        return wrk.finish()


class Clocks:
    """The clocks around a run: the wall, the server, this process with wrk, a child that has ended,
    and all processes.
    """

    def __init__(self, pid):
        self.wall, self.server, self.all = time.monotonic(), cpu_seconds(pid), machine_seconds()
        self.load = sum(os.times()[:4])

    def since(self, before):
        """Seconds of (wall, server, anybody else)"""
        server = self.server - before.server
        others = self.all - before.all - server - (self.load - before.load)
        return self.wall - before.wall, server, max(0.0, others)


def measure(peer, work, seconds, parent):
    """The figures of one run as a dict; the keys are the columns of the table and of --json."""
    with Site(parent) as site, peer.start(site) as server:
        wait_until(lambda: answers(server.port, work), server, START_SECONDS, "a first answer")
        warm = run_wrk(work, server.port, WARM_UP_SECONDS)
        before = Clocks(server.pid)
        figures = run_wrk(work, server.port, seconds)
        wall, cpu, others = Clocks(server.pid).since(before)
        server.check_alive()
        rss, pss = memory_mb(server.pid)
        if not figures["requests"]:
            raise Failed("no request was answered")
        if work == "order":
            check_kept(peer.orders_kept(site), warm["requests"] + figures["requests"])
    return {
        "requests_per_s": figures["requests"] * 1e6 / figures["duration_us"],
        "cpu_us_per_request": cpu * 1e6 / figures["requests"],
        "p50_ms": figures["p50_us"] / 1000, "p99_ms": figures["p99_us"] / 1000,
        "failed": failed_requests(figures), "requests": figures["requests"],
        "server_core_percent": 100 * cpu / wall,
        "others_percent": 100 * others / wall,
        "rss_mb": rss, "pss_mb": pss,
    }


def check_kept(rows, answered):
    if rows is not None and rows < answered:
        raise Failed(f"{answered} orders were answered but only {rows} are in the table")
