"""Invariant 4 under kill -9: commands go on without a pause while the host, or one of its workers, is
killed again and again. At the end each acknowledged command is there exactly once, with the id that was
told, and none that was refused. 12 kills; 500 with PINION_FULL=1 (tests/fault/run --full)."""

import os
import random
import time

import e2e_load
import ledger
import pytest

KILLS = 500 if os.environ.get("PINION_FULL") else 12


def kill_some(host, kills, chance):
    """Workers one after another, the home among them; in the end the whole host. How many were killed."""
    killed = 1
    for _ in range(kills - 1):
        time.sleep(chance.uniform(0.005, 0.05))
        killed += ledger.kill_a_worker(host, chance)
    time.sleep(chance.uniform(0.005, 0.1))
    host.kill()
    return killed


@pytest.mark.limit(60 + KILLS * 2)
def test_invariant_4_kills_under_load_lose_nothing(folder, start_host, capsys):
    ledger.install(folder / "plugins" / "ledger")
    chance, book, killed = random.Random(4), ledger.Ledger(), 0
    host = start_host(folder / "plugins", mode="serve", workers=2)
    host.may_die = True
    while killed < KILLS:
        kills = min(3, KILLS - killed)
        with e2e_load.Load(host.listen, book.make, book.check, connections=32, retry=True) as load:
            killed += kill_some(host, kills, chance)
            load.retry = False
        ledger.only_broken_connections(load.failures)
        ledger.start_again(host)
        book.must_be_kept(host)
    with capsys.disabled():
        print(f"\n{killed} kills, {len(book.acknowledged)} acknowledged commands kept, "
              f"{len(book.refused)} refused ones gone")
