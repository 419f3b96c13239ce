"""The audit log of `serve`: what is published is in it, nothing else is, and whoever changes it is found out."""

import json
import os
import pathlib
import random
import signal
import sqlite3
import time

import e2e_host
import e2e_plugins
import pytest

KILLS = 300 if os.environ.get("PINION_FULL") else 12


def put(folder, value, name="shop"):
    e2e_host.write(folder / "plugins" / name / "init.lua", e2e_plugins.constant(value, name=name))


def entries(host):
    listed = e2e_host.run("audit", "list", "--json", "--data", host.data)
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


def said(host):
    return [(e["action"], e["subject"]) for e in entries(host)]


def verify(host, *options):
    return e2e_host.run("audit", "verify", "--data", host.data, *options)


def tamper(host, *statements):
    """As somebody would who may write the file."""
    with sqlite3.connect(host.data / "registry.db") as database:
        database.execute("drop trigger if exists audit_update")
        database.execute("drop trigger if exists audit_delete")
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.fixture
def shop(folder, start_host):
    """Three releases over three starts."""
    put(folder, 1)
    host = start_host(folder / "plugins", mode="serve")
    for value in (2, 3):
        host.stop()
        put(folder, value)
        host.start()
    return host


def test_what_is_published_is_in_it(shop, folder):
    assert said(shop) == [
        ("start", "control"), ("publish", "shop@1.0.1#1"), ("live", "shop@1.0.1#1"),
        ("start", "control"), ("publish", "shop@1.0.2#2"), ("live", "shop@1.0.2#2"),
        ("start", "control"), ("publish", "shop@1.0.3#3"), ("live", "shop@1.0.3#3")]
    first, second = (e for e in entries(shop)[1:5] if e["action"] == "publish")
    active = json.loads((shop.data / "active.json").read_text())["plugins"]
    assert second["detail"]["replaces"] == "shop@1.0.1#1"
    assert second["detail"]["replaces_hash"] == first["detail"]["hash"]
    assert entries(shop)[7]["detail"]["hash"] == active[0]["hash"]
    assert entries(shop)[6]["detail"] == {"serves": ["shop@1.0.2#2"]}
    assert second["detail"]["directory"] == str(folder / "plugins" / "shop")
    proved = verify(shop)
    assert (proved.returncode, proved.stderr) == (0, "")
    assert proved.stdout == f"9 entries, all as they were written; head {entries(shop)[-1]['hash']}\n"


def test_what_is_refused_is_in_it_with_the_reason(shop, folder):
    shop.stop()
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", "return 1 +\n")
    shop.start()
    last = entries(shop)[-1]
    assert (last["action"], last["subject"]) == ("refuse", str(folder / "plugins" / "shop"))
    assert last["detail"]["step"] == "verify" and "init.lua:" in last["detail"]["error"]
    assert shop.ok("shop.value") == {"value": 3}


def test_dev_keeps_none(folder, start_host):
    put(folder, 1)
    host = start_host(folder / "plugins")
    assert not (host.data / "registry.db").exists()
    assert verify(host).returncode == 2


@pytest.mark.parametrize("statement, broken, reason", [
    ("update audit set detail = replace(detail, '1.0.1', '1.0.9') where number = 5", 5, "not what was written"),
    ("update audit set actor = 'nobody' where number = 1", 1, "not what was written"),
    ("update audit set at = at + 1 where number = 9", 9, "not what was written"),
    ("delete from audit where number = 4", 4, "missing"),
    ("delete from audit where number = 1", 1, "missing"),
    ("update audit set number = 20 where number = 9", 9, "missing"),
    ("update audit set hash = upper(hash) where number = 2", 2, "not what was written"),
    ("insert into audit select 10, at, actor, action, subject, detail, hash from audit where number = 9", 10,
     "does not follow"),
])
def test_who_changes_it_is_found_out(shop, statement, broken, reason):
    shop.stop()
    tamper(shop, statement)
    result = verify(shop)
    assert result.returncode == 1
    assert result.stderr.startswith(f"pinion audit: entry {broken}: ") and reason in result.stderr
    assert f"the {broken - 1} before it are good" in result.stderr
    assert json.loads(verify(shop, "--json").stdout)["good"] is False
    checked = e2e_host.run("fsck", "--data", shop.data)
    assert checked.returncode == 1 and f"registry.db: error: entry {broken}: " in checked.stdout


def test_an_end_that_was_cut_off_shows_against_a_head_that_was_noted(shop):
    shop.stop()
    shop.start()
    told = shop.log(msg="audit log")[-1]  # what a log that is kept elsewhere has
    assert (told["entries"], told["head"]) == (10, entries(shop)[-1]["hash"])
    head = told["head"]
    shop.stop()
    assert verify(shop, "--head", head).returncode == 0
    tamper(shop, "delete from audit where number = 10")
    assert verify(shop).returncode == 0
    result = verify(shop, "--head", head)
    assert result.returncode == 1 and "cut off" in result.stderr


def test_triggers_stop_an_accident(shop):
    shop.stop()
    with sqlite3.connect(shop.data / "registry.db") as database:
        for statement in ("update audit set at = 0", "delete from audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only appended to"):
                database.execute(statement)
    database.close()


def test_without_a_log_that_can_be_used_what_serves_goes_on(shop, folder):
    shop.stop()
    path = shop.data / "registry.db"
    kept = path.read_bytes()
    path.write_bytes(b"no database" * 1000)
    put(folder, 4)
    since = shop.log_mark()
    shop.start()
    assert shop.ok("shop.value") == {"value": 3}
    shop.wait_log(since, level="error", where=lambda line: "audit log" in line["msg"])
    refused = shop.wait_log(since, level="error", where=lambda line: "not live" in line["msg"])
    assert (refused["step"], "audit log cannot be used" in refused["error"]) == ("prepare", True), refused
    shop.stop()
    path.write_bytes(kept)
    shop.start()
    assert shop.ok("shop.value") == {"value": 4}
    assert said(shop)[-2:] == [("publish", "shop@1.0.4#4"), ("live", "shop@1.0.4#4")]


def test_a_backup_has_it(shop, folder):
    archive, restored = folder / "kept.pinion", folder / "again"
    assert e2e_host.run("backup", "--data", shop.data, "--to", archive).returncode == 0
    result = e2e_host.run("restore", archive, "--data", restored)
    assert result.returncode == 0, result.stderr
    before, after = verify(shop), e2e_host.run("audit", "verify", "--data", restored)
    assert (after.returncode, after.stdout) == (0, before.stdout)


def control_of(host):
    """Its control process, which may not be there yet."""
    for pid in host.pids():
        if pathlib.Path(f"/proc/{pid}/comm").read_text() == "control\n":
            return pid
    return None


@pytest.mark.limit(60 + KILLS * 2)
def test_killed_at_any_moment_what_serves_was_recorded(folder, start_host, capsys):
    chance = random.Random(6)
    put(folder, 1)
    host = start_host(folder / "plugins", mode="serve")
    host.may_die = True
    for value in range(2, KILLS + 2):
        host.kill()
        put(folder, value)
        host.start(wait=False)
        control = e2e_host.wait_until("a control process", lambda: control_of(host))
        time.sleep(chance.uniform(0, 0.08))
        if value % 2:
            os.kill(control, signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.08))
    host.kill()
    host.start()
    proved = verify(host)
    assert proved.returncode == 0, proved.stderr
    recorded = {e["subject"]: e["detail"]["hash"] for e in entries(host) if e["action"] == "publish"}
    [active] = json.loads((host.data / "active.json").read_text())["plugins"]
    label = f"shop@{active['version']}#{active['generation']}"
    assert recorded[label] == active["hash"]
    answer = host.call("shop.value")
    assert (answer.json(), answer.generation) == ({"value": KILLS + 1}, label)
    with capsys.disabled():
        print(f"\n{KILLS} kills, {active['generation']} releases, {len(entries(host))} entries, all proved")
