"""Invariant 4 on a disk that fails now and then: writes, syncs and changes of size give EIO, ENOSPC or half
of what was asked (disk_shim.c), while commands go on. Each acknowledged command is there exactly once, none
that was refused or told that the storage is full, queries go on meanwhile, and with a good disk commands
succeed again by themselves. A worker or the host is killed between two such times. 8 of them; 150 with
PINION_FULL=1 (tests/fault/run --full)."""

import os
import pathlib
import random
import shutil
import subprocess
import time

import e2e_host
import e2e_load
import ledger
import pytest

TIMES = 150 if os.environ.get("PINION_FULL") else 8
SHIM = pathlib.Path(__file__).resolve().parent / "disk_shim.c"

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no cc")


class Book(ledger.Ledger):
    """A command that found the storage full left nothing, and is known to have failed."""

    full = 0

    def check(self, answer, sent):
        if answer.status == 507:
            key = ledger.key_of(sent)
            self.full += 1
            self.refused.add(key)
            del self.asked[key]
            return None
        return super().check(answer, sent)


class Disk:
    def __init__(self, folder, data, monkeypatch):
        self.failing, self.failed = data / "db" / "failing", data / "db" / "failed"
        library = folder / "disk_shim.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"], check=True)
        for name, value in {"LD_PRELOAD": library, "DISK_SHIM_DATA": data, "DISK_SHIM_ONE_IN": 12}.items():
            monkeypatch.setenv(name, str(value))

    def errors(self):
        return self.failed.stat().st_size if self.failed.exists() else 0


def succeeds(host, book):
    """A command of its own is kept, without a restart of anything."""
    request = book.make(0)
    with host.connect() as connection:
        connection.send(request)
        answer = connection.answer()
    assert book.check(answer, request) is None
    return answer.status in (200, 409)


@pytest.mark.limit(60 + TIMES * 3)
def test_invariant_4_a_failing_disk_loses_nothing(folder, start_host, monkeypatch, capsys):
    ledger.install(folder / "plugins" / "ledger")
    chance = random.Random(11)
    book = Book(body=lambda: "b" * chance.choice([10, 500, 5000]))
    disk = Disk(folder, folder / "host0" / "data", monkeypatch)
    host = start_host(folder / "plugins", mode="serve", workers=2)
    host.may_die = True
    for number in range(TIMES):
        before = disk.errors()
        with e2e_load.Load(host.listen, book.make, book.check, connections=16) as load:
            time.sleep(chance.uniform(0.01, 0.1))
            disk.failing.touch()
            e2e_host.wait_until("the disk to fail", lambda before=before: disk.errors() > before, 20)
            time.sleep(chance.uniform(0, 0.2))
            assert host.call("ledger.page", {"after": 0}).status == 200
            disk.failing.unlink()
            e2e_host.wait_until("commands to succeed", lambda: succeeds(host, book), 20)
            if number % 4 == 3:
                ledger.kill_a_worker(host, chance)
            if number % 4 == 1:
                host.kill()
        ledger.only_broken_connections(load.failures)
        if number % 4 == 1:
            ledger.start_again(host)
        e2e_host.wait_until("commands to succeed", lambda: succeeds(host, book), 20)
        book.must_be_kept(host)
    with capsys.disabled():
        print(f"\n{TIMES} times a failing disk, {disk.errors()} errors: {len(book.acknowledged)} acknowledged commands "
              f"kept, {len(book.refused)} refused ones gone, {book.full} of them told that the storage is full")
    assert book.acknowledged and book.refused
