"""Commands share commits (docs/decisions/0029): what their callers see of it, also when the disk fails, a
release is swapped or the host is stopped meanwhile."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import e2e_host
import e2e_load
import e2e_plugins
import e2e_postgres
import pytest
from e2e_http import request_bytes

SCHEMA = "create table rows (id integer primary key, key text not null unique, body text);"
LEDGER = """
plugin:command "add" {{ input = {{ key = t.string, body = t.optional(t.string), fail = t.optional(t.boolean) }},
    output = {{ id = t.integer, seen = t.integer }}, errors = {{ refused = 409 }},
    run = function(ctx, input)
    local id = ctx.db:value("insert into rows(key, body) values ($1, $2) returning id", input.key, input.body)
    if input.fail then ctx:fail("refused") end
    return {{ id = id, seen = {release} }} end }}
plugin:query "find" {{ input = {{ key = t.string }}, output = {{ id = t.nullable(t.integer) }},
    run = function(ctx, input)
    return {{ id = ctx.db:value("select id from rows where key = $1", input.key) }} end }}
plugin:query "keys" {{ output = t.map(t.integer), run = function(ctx)
    local all = {{}}
    for row in ctx.db:each("select id, key from rows") do all[row.key] = row.id end
    return all end }}
"""


def ledger(release=1):
    return e2e_plugins.plugin(LEDGER.format(release=release), name="ledger", version=f"1.0.{release}", needs=["db"])


@pytest.fixture
def plugins(folder):
    directory = folder / "plugins" / "ledger"
    e2e_postgres.migration(directory, "0001_rows", SCHEMA)
    e2e_host.write(directory / "init.lua", ledger())
    return folder / "plugins"


class Writer:
    """Commands with keys of their own, a part of which fail after they have written; and what was said of each."""

    def __init__(self, failing=5):
        self.numbers = itertools.count()
        self.failing = failing
        self.kept = {}
        self.refused = set()
        self.retry = set()
        self.lock = threading.Lock()

    def make(self, _):
        with self.lock:
            number = next(self.numbers)
        fail = bool(self.failing) and number % self.failing == 0
        return request_bytes("POST", "/call/ledger.add", {"key": f"k{number}", "fail": fail})

    def check(self, answer, sent):
        key = json.loads(sent.split(b"\r\n\r\n", 1)[1])["key"]
        if answer.status == 200:
            self.kept[key] = answer.json()["id"]
        elif answer.status == 409:
            self.refused.add(key)
        elif answer.status == 503 and answer.json()["code"] == "retry":
            assert answer.headers["retry-after"] == "1"
            self.retry.add(key)
        else:
            return f"{answer}"
        return None

    def must_hold(self, rows):
        """Nothing but what was acknowledged, and all of it."""
        lost = {key for key, id in self.kept.items() if rows.get(key) != id}
        assert not lost, f"{len(lost)} acknowledged commands are lost"
        assert not self.refused & rows.keys()
        assert rows.keys() == self.kept.keys()


@pytest.mark.both_engines
@pytest.mark.parametrize("workers", [1, 2])
def test_commands_of_many_connections_are_kept_or_refused_each_by_itself(plugins, start_host, workers):
    host = start_host(plugins, mode="serve", workers=workers)
    writer = Writer()
    with e2e_load.Load(host.listen, writer.make, writer.check) as load:
        load.wait_for(3000)
    assert load.failures == []
    assert writer.kept and writer.refused and not writer.retry
    writer.must_hold(host.ok("ledger.keys"))


@pytest.mark.both_engines
@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_has_an_answer_reads_what_it_wrote(plugins, start_host, workers):
    """Under load, so that groups are large; over connections to the home and to another worker."""
    host = start_host(plugins, mode="serve", workers=workers)
    last = {}

    def make(number):
        key, step = last.get(number, ("", 0))
        if step == 1:
            return request_bytes("POST", "/call/ledger.find", {"key": key})
        last[number] = (f"{number}-{random.random()}", 0)
        return request_bytes("POST", "/call/ledger.add", {"key": last[number][0]})

    def check(answer, sent):
        if answer.status != 200:
            return f"{answer}"
        key = json.loads(sent.split(b"\r\n\r\n", 1)[1])["key"]
        number = int(key.split("-")[0])
        if b"ledger.add" in sent:
            last[number] = (key, 1)
            return None
        last[number] = ("", 0)
        return None if answer.json()["id"] else f"{key} was not seen"

    with e2e_load.Load(host.listen, make, check, connections=32) as load:
        load.wait_for(3000)
    assert load.failures == []


@pytest.mark.both_engines
def test_swaps_and_migrations_under_load_lose_no_command(plugins, start_host):
    host = start_host(plugins, mode="dev", workers=2)
    writer = Writer()
    with e2e_load.Load(host.listen, writer.make, writer.check) as load:
        for release in range(2, 12):
            if release % 3 == 0:
                e2e_host.write(plugins / "ledger" / "migrations" / f"{release // 3 + 1:04}_more.sql",
                    f"create table more{release} (x integer); create index i{release} on rows(body, key);")
            host.save(plugins / "ledger" / "init.lua", ledger(release), f"ledger@1.0.{release}#")
            load.wait_for(100)
    assert load.failures == []
    assert not writer.retry
    writer.must_hold(host.ok("ledger.keys"))


@pytest.mark.both_engines
def test_a_host_that_is_stopped_answers_what_it_has_and_keeps_it(plugins, start_host):
    host = start_host(plugins, mode="serve", workers=2)
    for round_ in range(3):
        writer, prefix = Writer(), f"s{round_}-"

        def make(_, writer=writer, prefix=prefix):
            return request_bytes("POST", "/call/ledger.add", {"key": f"{prefix}{next(writer.numbers)}"})

        with e2e_load.Load(host.listen, make, writer.check, connections=32) as load:
            load.wait_for(300)
            host.stop()
        host.start()
        # Who was cut off had sent into a connection that was closing: nobody took that up.
        writer.must_hold({key: id for key, id in host.ok("ledger.keys").items() if key.startswith(prefix)})


# ---- a disk that fails


def can_mount(folder):
    """A file system of its own, of 16 MB."""
    if os.geteuid() != 0:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)], check=False,
        capture_output=True)
    return done.returncode == 0


@pytest.fixture
def small_disk(folder):
    path = folder / "host0" / "data"  # of the first host that the test starts
    if not can_mount(path):
        pytest.skip("cannot mount a file system here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.limit(60)
def test_a_full_disk_refuses_commands_and_nothing_else(plugins, start_host, small_disk):
    host = start_host(plugins, mode="serve", workers=2)
    filler = small_disk / "filler"
    rows, full = {}, 0
    with open(filler, "wb") as file:
        file.write(b"x" * (44 << 20))
    for number in range(2000):
        key = f"k{number}"
        answer = host.call("ledger.add", {"key": key, "body": "b" * 20000})
        if answer.status == 200:
            rows[key] = answer.json()["id"]
            continue
        assert (answer.status, answer.json()["code"]) in ((507, "storage_full"), (503, "retry")), answer
        full += answer.status == 507
        assert host.call("ledger.find", {"key": "k0"}).json()["id"] == 1
        if full == 5:
            break
    assert full == 5 and rows
    kept_back = os.statvfs(small_disk)
    assert kept_back.f_bavail * kept_back.f_frsize > 2 << 20  # of 8 MiB, after a checkpoint
    host.wait_log(msg="the disk is nearly full: commands are refused")
    with open(filler, "ab") as file:  # by somebody else
        with contextlib.suppress(OSError):
            file.write(b"x" * (64 << 20))
    assert host.call("ledger.add", {"key": "beyond"}).status == 507
    assert host.ok("ledger.keys") == rows
    filler.unlink()
    answer = e2e_host.wait_until("room",
        lambda: (a := host.call("ledger.add", {"key": "after"})).status == 200 and a, 10)
    rows["after"] = answer.json()["id"]
    assert host.ok("ledger.keys") == rows


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

static int fails(void)
{
    return access("@FLAG@", F_OK) == 0;
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails() ? (errno = EIO, -1) : real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails() ? (errno = EIO, -1) : real(fd);
}
"""


class BrokenDisk:
    """A host whose syncs fail as long as a file is there."""

    def __init__(self, folder):
        self.flag = folder / "host0" / "data" / "fail"  # of the first host that the test starts
        self.library = folder / "shim.so"
        (folder / "shim.c").write_text(SHIM.replace("@FLAG@", str(self.flag)))
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(self.library), str(folder / "shim.c"), "-ldl"],
            check=True)

    def breaks(self):
        self.flag.touch()

    def works(self):
        self.flag.unlink()


@pytest.fixture
def broken_disk(folder, monkeypatch):
    if e2e_host.IS_ASAN:
        pytest.skip("the sanitizer's library must be the first")
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    disk = BrokenDisk(pathlib.Path(folder))
    monkeypatch.setenv("LD_PRELOAD", str(disk.library))
    return disk


@pytest.mark.parametrize("workers", [1, 2])
def test_invariant_4_a_sync_that_fails_fails_its_whole_group(plugins, start_host, broken_disk, workers):
    host = start_host(plugins, mode="serve", workers=workers)
    writer = Writer()
    with e2e_load.Load(host.listen, writer.make, writer.check, connections=32) as load:
        for _ in range(3):
            load.wait_for(200)
            broken_disk.breaks()
            said = len(writer.retry)
            e2e_host.wait_until("commands to fail", lambda s=said: len(writer.retry) > s + 50)
            kept = len(writer.kept)
            load.wait_for(100)
            assert len(writer.kept) == kept, "something was acknowledged without a sync"
            assert host.call("ledger.find", {"key": "none"}).status == 200
            broken_disk.works()
            kept = len(writer.kept)
            e2e_host.wait_until("commands to succeed", lambda k=kept: len(writer.kept) > k + 50)
    assert load.failures == []
    writer.must_hold(host.ok("ledger.keys"))


def test_invariant_4_what_failed_for_a_sync_is_not_recovered_after_a_crash(plugins, start_host, broken_disk):
    host = start_host(plugins, mode="serve", workers=2)
    host.ok("ledger.add", {"key": "first"})
    for round_ in range(3):
        broken_disk.breaks()
        answer = host.call("ledger.add", {"key": f"failed{round_}", "body": "b" * 30000})
        assert (answer.status, answer.json()["code"]) == (503, "retry")
        broken_disk.works()
        # The disk works again: the next commit, or the repair, writes over what was left.
        e2e_host.wait_until("commands to succeed",
            lambda r=round_: host.call("ledger.add", {"key": f"after{r}"}).status == 200)
        host.kill()
        host.start()
        rows = host.ok("ledger.keys")
        assert f"failed{round_}" not in rows and f"after{round_}" in rows and "first" in rows


def test_a_command_alone_waits_for_one_commit_only(plugins, start_host, capsys):
    host = start_host(plugins, mode="serve", workers=1)
    times = []
    with host.connect() as connection:
        for number in range(200):
            begun = time.monotonic()
            assert connection.request("POST", "/call/ledger.add", {"key": f"a{number}"}).status == 200
            times.append((time.monotonic() - begun) * 1000)
    times.sort()
    with capsys.disabled():
        print(f"\na command alone: {times[100]:.2f} ms median, {times[190]:.2f} ms p95")
