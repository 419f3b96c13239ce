"""Invariant 4: a command that was answered survives SIGKILL of every process; one that failed left
no trace. And what a killed worker costs: how soon another one serves."""

import itertools
import json
import os
import signal
import threading
import time

import e2e_host
import e2e_load
import e2e_plugins
import e2e_postgres
import pytest
from e2e_http import request_bytes

LEDGER = e2e_plugins.plugin("""
plugin:command "add" { input = { key = t.string }, output = { id = t.integer },
    run = function(ctx, input)
    return ctx.db:one("insert into rows(key) values ($1) returning id", input.key) end }
plugin:query "find" { input = { key = t.string }, output = { id = t.nullable(t.integer) },
    run = function(ctx, input)
    return { id = ctx.db:value("select id from rows where key = $1", input.key) } end }
plugin:query "page" { input = { after = t.integer }, output = t.array({ id = t.integer, key = t.string }),
    run = function(ctx, input)
    return ctx.db:all("select id, key from rows where id > $1 order by id limit 5000", input.after) end }
""", name="ledger", needs=["db"])


@pytest.fixture
def plugins(folder):
    directory = folder / "plugins" / "ledger"
    e2e_postgres.migration(directory, "0001_rows",
        "create table rows (id integer primary key, key text not null unique);")
    e2e_host.write(directory / "init.lua", LEDGER)
    return folder / "plugins"


def all_rows(host):
    rows, after = {}, 0
    while page := host.ok("ledger.page", {"after": after}):
        rows.update((row["key"], row["id"]) for row in page)
        after = page[-1]["id"]
    return rows


class Writer:
    """Commands with keys of their own, and what was acknowledged of them."""

    def __init__(self):
        self.numbers = itertools.count()
        self.acknowledged = {}
        self.unknown = 0
        self.lock = threading.Lock()

    def make(self, _):
        with self.lock:
            return request_bytes("POST", "/call/ledger.add", {"key": f"k{next(self.numbers)}"})

    def check(self, answer, sent):
        if answer.status == 503 and answer.json()["code"] == "retry":
            self.unknown += 1
            return None
        if answer.status != 200:
            return f"{answer}"
        key = json.loads(sent.split(b"\r\n\r\n", 1)[1])["key"]
        self.acknowledged[key] = answer.json()["id"]
        return None

    def must_be_kept(self, rows, unknown_max, has_gaps=False):
        lost = {key: id for key, id in self.acknowledged.items() if rows.get(key) != id}
        assert lost == {}, f"{len(lost)} acknowledged commands are lost"
        assert len(rows) - len(self.acknowledged) <= unknown_max
        if not has_gaps:  # a sequence of PostgreSQL's counts on
            assert sorted(rows.values()) == list(range(1, len(rows) + 1)), "a failed command left a gap"


@pytest.mark.both_engines
@pytest.mark.parametrize("mode", ["dev", "serve"])
def test_answered_commands_survive_the_death_of_all(plugins, start_host, engine, mode):
    host = start_host(plugins, mode=mode)
    writer = Writer()
    for _ in range(2):
        with e2e_load.Load(host.listen, writer.make, writer.check, connections=16) as load:
            load.wait_for(300)
            host.kill()
        assert load.failures and all("closed" in f or "Reset" in f or "cannot send" in f
            for f in load.failures), load.failures
        host.start()
        writer.must_be_kept(all_rows(host), 32, engine.name == "postgresql")
    host.ok("ledger.add", {"key": "after"})
    assert host.ok("ledger.find", {"key": "after"})["id"]


def test_a_killed_worker_loses_no_answered_command(plugins, start_host):
    """Its home or not: connections of the killed one break, forwarded commands get 503, nothing
    acknowledged is lost."""
    host = start_host(plugins, mode="serve")
    host.may_die = True
    writer = Writer()
    with e2e_load.Load(host.listen, writer.make, writer.check, connections=16, retry=True) as load:
        for index in (0, 1, 0, 1):
            load.wait_for(100)
            os.kill(host.status()["workers"][index]["pid"], signal.SIGKILL)
        load.wait_for(200)
    wrong = [f for f in load.failures if "closed before" not in f and "Reset" not in f
        and "BrokenPipe" not in f]
    assert wrong == []
    writer.must_be_kept(all_rows(host), unknown_max=len(load.failures) + writer.unknown)
    e2e_host.wait_until("all four to be replaced",
        lambda: sum(worker["respawns"] for worker in host.status()["workers"]) == 4)


def first_answer_ms(host):
    """Milliseconds until a new connection is answered."""
    begun = time.monotonic()
    while True:
        try:
            answer = host.call("ledger.find", {"key": "none"})
        except OSError:
            continue
        assert answer.status == 200, answer
        return (time.monotonic() - begun) * 1000


def test_a_killed_worker_is_replaced_at_once(plugins, start_host, capsys):
    """With one worker only, so that nobody else can answer meanwhile; under load, so that it is a
    busy one."""
    host = start_host(plugins, workers=1)
    host.may_die = True
    request = request_bytes("POST", "/call/ledger.find", {"key": "none"})
    times = []
    with e2e_load.Load(host.listen, lambda _: request, lambda answer, _: None
            if answer.status == 200 else f"{answer}",
                       connections=16, retry=True) as load:
        for _ in range(3):
            time.sleep(1.1)  # a child that dies young is started again after a pause
            pid = host.worker_pids()[0]
            os.kill(pid, signal.SIGKILL)
            times.append(first_answer_ms(host))
            assert host.worker_pids()[0] != pid
            load.wait_for(100)
    with capsys.disabled():
        print(f"\nworker killed to first answer: {', '.join(f'{ms:.1f}' for ms in times)} ms")
    assert max(times) < 1000 * e2e_host.SLOW
    assert all("closed" in f or "Reset" in f or "BrokenPipe" in f
        for f in load.failures), load.failures


def test_a_worker_that_dies_again_and_again_is_no_storm(plugins, start_host):
    host = start_host(plugins, workers=1)
    host.may_die = True
    begun, deaths = time.monotonic(), 0
    while time.monotonic() - begun < 2:
        pids = [w["pid"] for w in host.status()["workers"] if w["state"] != "down"
            and e2e_host.is_alive(w["pid"])]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            deaths += 1
        time.sleep(0.005)
    assert 2 <= deaths < 30
    e2e_host.wait_until("a worker", lambda: host.status()["workers"][0]["state"] == "serving")
    assert host.call("ledger.find", {"key": "none"}).status == 200


def test_a_stuck_worker_is_killed_and_replaced(folder, start_host):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "spin" / "init.lua", e2e_plugins.plugin("""
plugin:query "ok" { output = t.boolean, run = function() return true end }
""", name="spin"))
    host = start_host(plugins, workers=1, config={"stuck_ms": int(400 * e2e_host.SLOW)})
    host.may_die = True
    stuck = host.status()["workers"][0]["pid"]
    os.kill(stuck, signal.SIGSTOP)  # as one that does not come back to its loop
    assert host.ok("spin.ok") is True
    worker = host.status()["workers"][0]
    assert worker["pid"] != stuck
    assert worker["respawns"] == 1
