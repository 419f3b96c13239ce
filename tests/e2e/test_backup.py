"""Backup, restore and fsck with a real host: under write load, of damaged archives, on a full disk, killed in the
middle; and the commands of docs/operations.md as they stand there."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import threading
import time

import e2e_host
import e2e_plugins
import pytest
from e2e_host import ROOT, run, write

LEDGER = e2e_plugins.plugin("""
plugin:command "add" { input = { n = t.integer }, output = { id = t.integer },
    run = function(ctx, input)
    return ctx.db:one("insert into rows(n) values ($1) returning id", input.n) end }
plugin:query "page" { input = { after = t.integer }, output = t.array(t.integer),
    run = function(ctx, input)
    local list = {}
    for row in ctx.db:each("select n from rows where n > $1 order by n limit 5000", input.after) do
        list[#list + 1] = row.n
    end
    return list end }
""", name="{name}", needs=["db"])


def make_plugins(folder, *names):
    for name in names:
        write(folder / "plugins" / name / "migrations" / "0001_rows.sql",
            "create table rows (id integer primary key, n integer not null unique);")
        write(folder / "plugins" / name / "init.lua", LEDGER.replace("{name}", name))
    return folder / "plugins"


def numbers(host, name):
    found = []
    while page := host.ok(f"{name}.page", {"after": found[-1] if found else 0}):
        found += page
    return found


class Writer(threading.Thread):
    """Writes 1, 2, 3 … to each plugin in turn, each when the one before was answered."""

    def __init__(self, host, *names):
        super().__init__(daemon=True)
        self.host, self.names = host, names
        self.written = 0
        self.go_on = True
        self.error = None

    def run(self):
        try:
            with self.host.connect() as c:
                while self.go_on:
                    for name in self.names:
                        answer = c.request("POST", f"/call/{name}.add", {"n": self.written + 1})
                        assert answer.status == 200, answer
                    self.written += 1
        except Exception as error:  # told by the test
            self.error = error

    def wait_for(self, n):
        e2e_host.wait_until(f"{n} rows", lambda: self.error or self.written >= n)
        assert self.error is None

    def stop(self):
        self.go_on = False
        self.join()
        assert self.error is None, self.error


def backup(host_or_data, to, *more, **options):
    data = getattr(host_or_data, "data", host_or_data)
    return run("backup", "--data", data, "--to", to, *more, **options)


def restore_and_start(start_host, folder, archive, into="restored", **options):
    done = run("restore", archive, "--data", folder / into / "data")
    assert done.returncode == 0, done.stderr
    return start_host([], into=into, mode="serve", **options)


@pytest.mark.limit(90)
def test_a_backup_under_load_holds_all_that_was_answered_before_and_no_gap(start_host, folder):
    """Two plugins are written in turn, "second" after "first": at any one moment "first" is the same or one ahead."""
    host = start_host(make_plugins(folder, "first", "second"), mode="serve")
    writer = Writer(host, "first", "second")
    writer.start()
    writer.wait_for(50)
    (folder / "restored").mkdir()
    least, exact = [], []
    for i in range(5):
        least.append(writer.written)
        done = backup(host, folder / f"{i}.tar")
        assert done.returncode == 0, done.stderr
        exact.append("snapshots of one moment" in done.stdout)
        writer.wait_for(writer.written + 20)
    writer.stop()
    host.stop()
    assert any(exact)
    for i in range(5):
        into = f"restored{i}"
        (folder / into).mkdir()
        again = restore_and_start(start_host, folder, folder / f"{i}.tar", into)
        first, second = numbers(again, "first"), numbers(again, "second")
        for found in (first, second):
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= least[i]
        if exact[i]:
            assert len(first) - len(second) in (0, 1)
        again.ok("first.add", {"n": len(first) + 1})
        again.stop()
        looked = run("fsck", "--data", again.data)
        assert (looked.returncode, "0 errors, 0 warnings" in looked.stdout) == (0, True), looked.stdout


def test_a_restored_host_serves_the_same(start_host, folder):
    host = start_host(e2e_host.PLUGINS, mode="serve")
    host.ok("users.register", {"email": "ada@example.org", "name": "Ada"})
    asked = [("users.get", {"id": 1}), ("greeter.greet", {"name": "Ada"})]
    answers = [host.call(name, body) for name, body in asked]
    assert backup(host, folder / "b.tar", "--thorough").returncode == 0
    host.stop()
    (folder / "restored").mkdir()
    again = restore_and_start(start_host, folder, folder / "b.tar")
    for (name, body), before in zip(asked, answers):
        now = again.call(name, body)
        assert (now.status, now.json()) == (200, before.json())
        assert now.generation == before.generation
    for path in [again.data, *again.data.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0 or path.name.endswith((".db-wal", ".db-shm", ".sock")), path


def test_a_backup_does_not_disturb_the_host(start_host, folder):
    """Its log is still folded into the file, by the home worker alone, and goes down when it stops."""
    host = start_host(make_plugins(folder, "first"), mode="serve")
    for n in range(1, 30):
        host.ok("first.add", {"n": n})
    before = (host.data / "db" / "first.db").stat()
    assert backup(host, folder / "b.tar").returncode == 0
    assert run("fsck", "--data", host.data).returncode == 0
    after = (host.data / "db" / "first.db").stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    host.ok("first.add", {"n": 30})
    host.stop()
    assert not (host.data / "db" / "first.db-wal").exists()


def test_a_damaged_archive_is_refused_and_leaves_nothing(start_host, folder):
    host = start_host(make_plugins(folder, "first"), mode="serve")
    host.ok("first.add", {"n": 1})
    assert backup(host, folder / "b.tar").returncode == 0
    host.stop()
    whole = (folder / "b.tar").read_bytes()
    names = sorted(os.listdir(folder))
    places = [0, 130, 600, len(whole) - 1, len(whole) - 1030] + random.Random(7).sample(range(len(whole)), 10)
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:] for at in places]
    damaged += [b"", whole[:512], whole[:len(whole) // 2], whole + b"\0" * 512]
    for i, content in enumerate(damaged):
        (folder / "b.tar").write_bytes(content)
        done = run("restore", folder / "b.tar", "--data", folder / "new")
        assert done.returncode == 1, (i, done)
        assert str(folder / "b.tar") in done.stderr
        assert sorted(os.listdir(folder)) == names, i


def hostile(folder, name, target=None):
    """A tar of somebody else's."""
    import io
    import tarfile
    with tarfile.open(folder / "evil.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.size = 0 if target else 4
        if target:
            info.type, info.linkname = tarfile.SYMTYPE, target
        tar.addfile(info, None if target else io.BytesIO(b"evil"))
    return folder / "evil.tar"


def test_archives_of_others_are_refused(folder):
    for name, target in (("../evil", None), ("/tmp/evil", None), ("db", "/etc"), ("manifest.json", None)):
        done = run("restore", hostile(folder, name, target), "--data", folder / "new")
        assert done.returncode == 1 and "not a backup" in done.stderr or "manifest" in done.stderr, done
        assert os.listdir(folder) == ["evil.tar"]


def test_wrong_use_says_what_is_wrong(folder):
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("x")
    (folder / "file").write_text("x")
    for line, code, named in (
            (["backup", "--data", folder / "none"], 2, "none"),
            (["backup", "--data", folder / "full"], 2, "is not a data directory"),
            (["backup", "orders"], 2, "orders"),
            (["restore"], 2, "which backup"),
            (["restore", folder / "none.tar"], 2, "none.tar"),
            (["restore", folder / "file", "--data", folder / "new"], 1, "not a backup"),
            (["restore", "a", "b"], 2, "'b'"),
            (["fsck", "--data", folder / "none"], 2, "none"),
            (["fsck", "--data", folder / "full"], 2, "is not a data directory"),
            (["fsck", "x"], 2, "'x'")):
        done = run(*line, cwd=folder)
        assert done.returncode == code and named in done.stderr, (line, done)
    assert sorted(os.listdir(folder)) == ["file", "full"]


def test_a_full_disk_is_told_and_leaves_nothing(start_host, folder):
    host = start_host(make_plugins(folder, "first"), mode="serve")
    host.ok("first.add", {"n": 1})
    (folder / "to").mkdir()

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
    done = backup(host, folder / "to" / "b.tar", preexec_fn=small)
    assert done.returncode == 1 and "b.tar" in done.stderr and "File too large" in done.stderr, done
    assert os.listdir(folder / "to") == []
    assert backup(host, folder / "to" / "b.tar").returncode == 0
    done = run("restore", folder / "to" / "b.tar", "--data", folder / "to" / "new",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    assert done.returncode == 1 and "File too large" in done.stderr, done
    assert os.listdir(folder / "to") == ["b.tar"]


def start(*arguments):
    return subprocess.Popen([e2e_host.BINARY, *map(str, arguments)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)


@pytest.mark.limit(60)
def test_killed_in_the_middle_nothing_looks_finished(start_host, folder):
    host = start_host(make_plugins(folder, "first"), mode="serve")
    host.stop()
    big = host.data / "db" / "first.db"
    subprocess.run(["sqlite3", str(big), "insert into rows(n) select value from generate_series(1, 200000)"],
        check=False, capture_output=True)
    subprocess.run(["sqlite3", str(big), "with recursive c(n) as (select 1 union all select n + 1 from c where n < 300000)"
        " insert or ignore into rows(n) select n from c"], check=True)
    (folder / "to").mkdir()
    assert backup(host, folder / "to" / "whole.tar").returncode == 0
    killed = 0
    for number in (signal.SIGKILL, signal.SIGTERM):
        for pause in (0.005, 0.01, 0.02, 0.03, 0.05, 0.08):
            process = start("backup", "--data", host.data, "--to", folder / "to" / "b.tar")
            time.sleep(pause * e2e_host.SLOW)
            process.send_signal(number)
            process.wait()
            killed += process.returncode != 0
            if (folder / "to" / "b.tar").exists():
                assert run("restore", folder / "to" / "b.tar", "--data", folder / "to" / "of-b").returncode == 0
                shutil.rmtree(folder / "to" / "of-b")
                (folder / "to" / "b.tar").unlink()
            process = start("restore", folder / "to" / "whole.tar", "--data", folder / "to" / "new")
            time.sleep(pause * e2e_host.SLOW)
            process.send_signal(number)
            process.wait()
            killed += process.returncode != 0
            if (folder / "to" / "new").exists():
                assert run("fsck", "--data", folder / "to" / "new").returncode == 0
                shutil.rmtree(folder / "to" / "new")
            left = [name for name in os.listdir(folder / "to") if name != "whole.tar"]
            assert all(name.endswith(".tmp") for name in left), left
            if number == signal.SIGTERM:
                assert left == []
            for name in left:
                path = folder / "to" / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert killed > 4


def test_fsck_finds_damage_and_says_what_to_do(start_host, folder):
    host = start_host(make_plugins(folder, "first"), mode="serve")
    for n in range(1, 200):
        host.ok("first.add", {"n": n})
    assert run("fsck", "--data", host.data).returncode == 0
    host.stop()
    database = host.data / "db" / "first.db"
    content = bytearray(database.read_bytes())
    content[4096 * 2:4096 * 2 + 64] = b"\xff" * 64
    database.write_bytes(content)
    bundle = next((host.data / "bundles").iterdir())
    bundle.write_bytes(bundle.read_bytes() + b"x")
    done = run("fsck", "--data", host.data)
    assert done.returncode == 1
    assert f"bundles/{bundle.name}: error: " in done.stdout and "db/first.db: error: " in done.stdout
    assert "to do: deploy this release again" in done.stdout and "to do: restore the last backup" in done.stdout
    told = json.loads(run("fsck", "--data", host.data, "--json").stdout)
    assert not told["good"] and told["errors"] == len(told["problems"]) >= 2
    assert all(p["file"] and p["problem"] and p["advice"] and p["severity"] == "error" for p in told["problems"])
    assert backup(host, folder / "b.tar").returncode == 1
    assert not (folder / "b.tar").exists()


def commands_of(section):
    """The commands of a section of docs/operations.md, line by line."""
    text = (ROOT / "docs" / "operations.md").read_text().split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
        if line and not line.startswith("#")]


def test_the_commands_of_the_handbook_work_as_they_stand_there(start_host, folder):
    """With other directories; `systemctl` stands for whatever starts and stops the host."""
    host = start_host(make_plugins(folder, "first"), mode="serve")
    host.ok("first.add", {"n": 1})
    (folder / "backup").mkdir()
    (folder / "bin").mkdir()
    (folder / "bin" / "pinion").symlink_to(e2e_host.BINARY)
    lines = commands_of("Backup and restore")
    assert len(lines) >= 8
    for line in lines:
        if "systemctl stop" in line:
            host.stop()
            continue
        if "systemctl start" in line:
            host.start()
            assert numbers(host, "first") == [1]
            continue
        line = line.replace("/var/lib/pinion", str(host.data)).replace("/backup", str(folder / "backup"))
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20 * e2e_host.SLOW,
            check=False, env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"})
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_a_host_looks_at_its_databases_now_and_then(start_host, folder):
    """And says in its status and log what it found."""
    host = start_host(make_plugins(folder, "first"), mode="serve", config={"check_databases_s": 1})
    host.ok("first.add", {"n": 1})
    assert host.status()["databases"]["every_s"] == 1
    host.wait_log(msg="databases are sound")
    found = host.status()["databases"]
    assert (found["checked"], found["problems"]) == (1, 0) and found["took_ms"] > 0 and found["checked_at"]
    (host.data / "db" / "second.db").write_bytes(b"this is not a database" * 100)
    since = host.log_mark()
    line = host.wait_log(since, msg="a database is damaged")
    assert (line["file"], line["problem"]) == ("db/second.db", "file is not a database")
    host.wait_log(since, msg="databases are damaged: run pinion fsck", level="error")
    found = host.status()["databases"]
    assert (found["checked"], found["problems"]) == (2, 1)
    assert found["first_problem"] == "db/second.db: file is not a database"
    assert "first_problem" in run("status", "--admin", host.admin).stdout


def test_a_host_that_is_told_never_looks_never(start_host, folder):
    host = start_host(make_plugins(folder, "first"), mode="serve", config={"check_databases_s": 0})
    assert host.status()["databases"] == {"every_s": 0, "checking": False}


@pytest.mark.limit(60)
def test_a_backup_during_swaps_has_what_it_names(start_host, folder):
    """In `dev`, where bundles go as soon as nothing refers to them any more."""
    init = folder / "plugins" / "shop" / "init.lua"
    write(init, e2e_plugins.constant(1))
    host = start_host(folder / "plugins")
    stop = threading.Event()

    def save():
        value = 1
        while not stop.is_set():
            value += 1
            write(init, e2e_plugins.constant(value))
            time.sleep(0.01)
    saver = threading.Thread(target=save, daemon=True)
    saver.start()
    try:
        for i in range(15):
            done = backup(host, folder / f"{i}.tar")
            assert done.returncode == 0, done.stderr
            done = run("restore", folder / f"{i}.tar", "--data", folder / f"of{i}")
            assert done.returncode == 0, done.stderr
            done = run("fsck", "--data", folder / f"of{i}")
            assert "0 errors, 0 warnings" in done.stdout, done.stdout
    finally:
        stop.set()
        saver.join()
