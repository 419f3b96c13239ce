"""Invariant 4 under a loss of power: what was written and not synced is gone, or a random half of its
sectors is (power_loss.py). Commands, deployments, migrations and checkpoints go on meanwhile. Each
acknowledged command is there exactly once, none that was refused is, those of unknown fate are done once
when they are sent again under their Idempotency-Key, what was reported live still serves, and fsck finds
nothing. 6 losses; 100 with PINION_FULL=1 (tests/fault/run --full)."""

import json
import os
import random
import shutil
import time

import e2e_host
import e2e_load
import ledger
import power_loss
import pytest

LOSSES = 100 if os.environ.get("PINION_FULL") else 6

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no cc")


class Machine:
    """A host, its disk, and what was said of its commands."""

    def __init__(self, folder, start_host, monkeypatch, lies=False, mode="serve"):
        self.chance = random.Random(29)
        self.plugins = folder / "plugins"
        self.release = 1
        ledger.install(self.plugins / "ledger")
        self.power = power_loss.PowerLoss(folder, folder / "host0" / "data", self.chance)
        for name, value in self.power.environment(lies).items():
            monkeypatch.setenv(name, value)
        self.book = ledger.Ledger(self.body, keyed=True)
        self.host = start_host(self.plugins, mode=mode, workers=2)
        self.host.may_die = True

    def body(self):
        """Some are longer than a page; logs grow, and checkpoints come."""
        return "b" * self.chance.choice([10, 500, 5000])

    def work(self):
        """Commands for a while, then the end of all processes: at once, or (rarely) one after another."""
        with e2e_load.Load(self.host.listen, self.book.make, self.book.check, connections=32) as load:
            time.sleep(self.chance.uniform(0.05, 0.5))
            if self.chance.random() < 0.2:
                self.host.stop()
            else:
                self.host.kill()
        ledger.only_broken_connections(load.failures)

    def deploy(self):
        """A new release, by a host that is killed while it starts; or one that gets to the end."""
        self.release += 1
        ledger.install(self.plugins / "ledger", self.release, migrations=1 + self.release // 4)
        self.host.plugins = [self.plugins]
        ledger.start_again(self.host, wait=False)
        time.sleep(self.chance.uniform(0, 0.2))
        told = any(line["generation"].startswith(f"ledger@1.0.{self.release}#") for line in self.host.log(msg="live"))
        self.host.kill()
        return told

    def start(self):
        """With what was published and nothing else; the release that serves."""
        self.fsck()
        self.host.plugins = []
        ledger.start_again(self.host)
        return self.host.ok("ledger.release")

    def fsck(self):
        has_registry = (self.host.data / "registry.db").exists()
        assert fsck(self.host.data)["databases"] == 1 + has_registry

    def recorded(self):
        """The releases that the audit log says were published."""
        done = e2e_host.run("audit", "list", "--json", "--data", self.host.data, env=power_loss.without_shim())
        assert done.returncode == 0, done.stderr
        told = map(json.loads, done.stdout.splitlines())
        return [e["subject"].split("#")[0] for e in told if e["action"] == "publish"]

    def check(self):
        self.book.must_be_kept(self.host)
        again, self.book.asked = self.book.asked, {}
        with self.host.connect() as connection:
            for key, request in again.items():
                connection.send(request)
                self.book.asked[key] = request
                answer = connection.answer()
                assert answer.status in (200, 409), answer
                self.book.check(answer, request)
        rows = self.book.must_be_kept(self.host)
        assert rows.keys() == self.book.acknowledged.keys()
        return len(again)


def fsck(data):
    done = e2e_host.run("fsck", "--data", data, "--json", env=power_loss.without_shim())
    found = json.loads(done.stdout)
    assert (done.returncode, found["errors"]) == (0, 0), done.stdout
    return found


@pytest.mark.limit(60 + LOSSES * 5)
def test_invariant_4_a_loss_of_power_loses_nothing(folder, start_host, monkeypatch, capsys):
    machine = Machine(folder, start_host, monkeypatch)
    power, lost, asked_again, serving = machine.power, 0, 0, 1
    while lost < LOSSES:
        machine.work()
        deploys = lost % 3 == 2
        was_live = machine.deploy() if deploys else False
        power.happens(torn=lost % 2 == 1)
        now = machine.start()
        assert now in ((machine.release,) if was_live else (serving, machine.release))
        assert f"ledger@1.0.{now}" in machine.recorded()
        serving = now
        asked_again += machine.check()
        lost += 1
    with capsys.disabled():
        print(f"\n{lost} losses of power: {power.sectors_lost} sectors lost, {power.sectors_kept} kept that nobody "
              f"had synced, {power.names_lost} names lost; {len(machine.book.acknowledged)} acknowledged commands "
              f"kept, {len(machine.book.refused)} refused ones gone, {asked_again} asked again")


@pytest.mark.limit(60 + LOSSES * 3)
def test_invariant_4_a_loss_of_power_at_the_first_start(folder, start_host, monkeypatch):
    """While the data directory is made: whatever is left of it, a host starts from it."""
    chance = random.Random(8)
    ledger.install(folder / "plugins" / "ledger")
    for number in range(LOSSES // 2):
        power = power_loss.PowerLoss(folder, folder / f"new{number}" / "data", chance)
        for name, value in power.environment().items():
            monkeypatch.setenv(name, value)
        host = start_host(folder / "plugins", mode="serve", wait=False, into=f"new{number}")
        host.may_die = True
        while not (host.data / "db").exists():  # before that it is no data directory
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.25))
        was_live = bool(host.log(msg="live"))
        host.kill()
        power.happens(torn=number % 2 == 1)
        fsck(host.data)
        host.plugins = [] if was_live else host.plugins
        ledger.start_again(host)
        answer = host.call("ledger.add", {"key": "first", "fail": False})
        assert (answer.status, answer.json()) == (200, {"id": 1}), host.log_text(0)
        assert ledger.all_rows(host) == [{"id": 1, "key": "first"}]
        host.stop()


def test_invariant_4_what_dev_stored_unsynced_is_kept_once_serve_has_published_it(folder, start_host, monkeypatch):
    machine = Machine(folder, start_host, monkeypatch, mode="dev")
    host = machine.host
    since = host.log_mark()
    ledger.install(machine.plugins / "ledger", release=2)
    host.wait_log(since, msg="live", where=lambda line: line["generation"].startswith("ledger@1.0.2#"))
    host.stop()
    ledger.install(machine.plugins / "ledger", release=1)  # its bundle is there already
    host.mode = "serve"
    host.start()
    host.kill()
    machine.power.happens(torn=False)
    assert machine.start() == 1


def test_a_disk_that_lies_about_syncs_is_found_out(folder, start_host, monkeypatch):
    """The test above can fail."""
    machine = Machine(folder, start_host, monkeypatch, lies=True)
    host = machine.host
    host.stop()  # a checkpoint, so that the tables are there
    host.start()
    with e2e_load.Load(host.listen, machine.book.make, machine.book.check, connections=32) as load:
        load.wait_for(50)
        host.kill()
    ledger.only_broken_connections(load.failures)
    machine.power.happens(torn=False)
    machine.start()
    with pytest.raises(AssertionError, match="acknowledged commands are lost"):
        machine.check()
