"""Invariant 4 under kill -9: commands go on without a pause while the host, or one of its workers, is
killed again and again. At the end each acknowledged command is there exactly once, with the id that was
told, and none that was refused. 12 kills; 500 with PINION_FULL=1 (tests/fault/run --full)."""

import itertools
import json
import os
import random
import signal
import threading
import time

import e2e_host
import e2e_load
import e2e_plugins
import pytest
from e2e_http import request_bytes

KILLS = 500 if os.environ.get("PINION_FULL") else 12

LEDGER = e2e_plugins.plugin("""
plugin:command "add" { input = { key = t.string, fail = t.boolean }, output = { id = t.integer },
    errors = { refused = 409 }, run = function(ctx, input)
    local id = ctx.db:value("insert into rows(key) values ($1) returning id", input.key)
    if input.fail then ctx:fail("refused") end
    return { id = id } end }
plugin:query "page" { input = { after = t.integer }, output = t.array({ id = t.integer, key = t.string }),
    run = function(ctx, input)
    return ctx.db:all("select id, key from rows where id > $1 order by id limit 5000", input.after) end }
""", name="ledger", needs=["db"])


class Ledger:
    """Whatever was said of each key, over all lives of the host."""

    def __init__(self):
        self.numbers = itertools.count()
        self.acknowledged, self.refused = {}, set()
        self.lock = threading.Lock()

    def make(self, _):
        with self.lock:
            number = next(self.numbers)
        return request_bytes("POST", "/call/ledger.add", {"key": f"k{number}", "fail": number % 7 == 0})

    def check(self, answer, sent):
        key = json.loads(sent.split(b"\r\n\r\n", 1)[1])["key"]
        if answer.status == 200:
            assert key not in self.acknowledged
            self.acknowledged[key] = answer.json()["id"]
        elif answer.status == 409:
            self.refused.add(key)
        elif answer.status != 503:  # its home was lost, or is not there yet: nobody knows
            return f"{answer}"
        return None


def all_rows(host):
    rows, after = [], 0
    while page := host.ok("ledger.page", {"after": after}):
        rows += page
        after = page[-1]["id"]
    return rows


def check(host, ledger):
    rows = all_rows(host)
    by_key = {row["key"]: row["id"] for row in rows}
    assert len(by_key) == len(rows), "a command is there twice"
    lost = {key: id for key, id in ledger.acknowledged.items() if by_key.get(key) != id}
    assert not lost, f"{len(lost)} of {len(ledger.acknowledged)} acknowledged commands are lost"
    kept = ledger.refused & by_key.keys()
    assert not kept, f"{len(kept)} refused commands are there"


def kill_some(host, kills, chance):
    """Workers one after another, the home among them; in the end the whole host."""
    for _ in range(kills - 1):
        time.sleep(chance.uniform(0.005, 0.05))
        workers = [w["pid"] for w in host.status()["workers"] if w["state"] == "serving"]
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
    time.sleep(chance.uniform(0.005, 0.1))
    host.kill()


@pytest.mark.limit(60 + KILLS * 2)
def test_invariant_4_kills_under_load_lose_nothing(folder, start_host, capsys):
    directory = folder / "plugins" / "ledger"
    e2e_host.write(directory / "migrations" / "0001_rows.sql",
        "create table rows (id integer primary key, key text not null);")
    e2e_host.write(directory / "init.lua", LEDGER)
    chance, ledger, killed = random.Random(4), Ledger(), 0
    host = start_host(folder / "plugins", mode="serve", workers=2)
    host.may_die = True
    while killed < KILLS:
        kills = min(3, KILLS - killed)
        with e2e_load.Load(host.listen, ledger.make, ledger.check, connections=32, retry=True) as load:
            kill_some(host, kills, chance)
            load.retry = False
        killed += kills
        wrong = [f for f in load.failures if not any(word in f
            for word in ("closed before", "Reset", "BrokenPipe", "cannot send"))]
        assert wrong == []
        host.start()
        check(host, ledger)
    with capsys.disabled():
        print(f"\n{killed} kills, {len(ledger.acknowledged)} acknowledged commands kept, "
              f"{len(ledger.refused)} refused ones gone")
