"""Money that is moved about: random transfers between accounts, some refused for want of funds after they
have taken, some broken off half-way by an error, some sent twice under one Idempotency-Key; the sum is read
between all of them, while workers and the host are killed and releases are swapped. The sum is exact in
every read and after every start, and each account holds what the acknowledged transfers make of it. 9 kills
and 6 swaps; 300 and 200 with PINION_FULL=1 (tests/fault/run --full).

The same on PostgreSQL, where the server is killed too: the host goes on with the standby, which is promoted, or
with the server itself, started again. What is told to be sent again is sent again, under its key. One fail-over and
one crash of the server; 20 and 20 with PINION_FULL=1."""

import json
import os
import random
import threading
import time

import e2e_host
import e2e_load
import e2e_plugins
import e2e_postgres
import ledger
import pytest
from e2e_http import request_bytes

ROUNDS = 100 if os.environ.get("PINION_FULL") else 3
SERVER_ROUNDS = 20 if os.environ.get("PINION_FULL") else 1
KILLS, SWAPS = 3, 2  # of each round
ACCOUNTS, EACH = 50, 1000
SUM = ACCOUNTS * EACH

SCHEMA = f"""
create table accounts (id integer primary key, balance integer not null);
create table transfers (id integer primary key, key text not null, source integer not null, target integer not null,
    amount integer not null);
with recursive n(i) as (values (1) union all select i + 1 from n where i < {ACCOUNTS})
insert into accounts select i, {EACH} from n;
"""

BANK = """
plugin:command "transfer" {{
    input = {{ key = t.string, source = t.integer, target = t.integer, amount = t.integer {{ min = 1 }},
        breaks = t.optional(t.boolean) }},
    output = {{ id = t.integer, release = t.integer }}, errors = {{ no_funds = 409 }},
    run = function(ctx, input)
    local id = ctx.db:value("insert into transfers(key, source, target, amount) values ($1, $2, $3, $4) returning id",
        input.key, input.source, input.target, input.amount)
    local left = ctx.db:value("update accounts set balance = balance - $2 where id = $1 returning balance",
        input.source, input.amount)
    if left < 0 then ctx:fail("no_funds") end
    if input.breaks then error("half-way") end
    ctx.db:run("update accounts set balance = balance + $2 where id = $1", input.target, input.amount)
    return {{ id = id, release = {release} }} end }}
plugin:query "sum" {{ output = {{ sum = t.integer, counted = t.integer, lowest = t.integer }}, run = function(ctx)
    local counted = 0
    for row in ctx.db:each("select balance from accounts") do counted = counted + row.balance end
    local all = ctx.db:one("select sum(balance) as sum, min(balance) as lowest from accounts")
    return {{ sum = all.sum, counted = counted, lowest = all.lowest }} end }}
plugin:query "accounts" {{ output = t.array({{ id = t.integer, balance = t.integer }}), run = function(ctx)
    return ctx.db:all("select id, balance from accounts order by id") end }}
plugin:query "page" {{ input = {{ after = t.integer }}, output = t.array({{ id = t.integer, key = t.string,
    source = t.integer, target = t.integer, amount = t.integer }}), run = function(ctx, input)
    return ctx.db:all("select * from transfers where id > $1 order by id limit 4000", input.after) end }}
"""


def bank(release):
    return e2e_plugins.plugin(BANK.format(release=release), name="bank", version=f"1.0.{release}", needs=["db"])


class Teller:
    """Transfers and reads of the sum, and what was said of them."""

    def __init__(self):
        self.chance = random.Random(11)
        self.count = self.sums = self.replayed = self.late = 0
        self.acknowledged, self.gone, self.unknown = {}, set(), set()
        self.replays = []  # requests that were answered once already
        self.lock = threading.Lock()

    def make(self, _):
        with self.lock:
            kind = self.chance.random()
            if kind < 0.3:
                return request_bytes("POST", "/call/bank.sum", {})
            if kind < 0.35 and self.replays:
                return self.replays.pop()
            self.count += 1
            source, target = self.chance.sample(range(1, ACCOUNTS + 1), 2)
            body = {"key": f"t{self.count}", "source": source, "target": target,
                "amount": self.chance.randint(1, EACH), "breaks": self.chance.random() < 0.1}
            return request_bytes("POST", "/call/bank.transfer", body, [("Idempotency-Key", body["key"])])

    def check(self, answer, sent):
        if b"/call/bank.sum" in sent:
            return self.check_sum(answer)
        body = json.loads(sent.split(b"\r\n\r\n", 1)[1])
        key = body["key"]
        if answer.status == 200 and not body["breaks"]:
            before = self.acknowledged.setdefault(key, answer.json())
            if before != answer.json():
                return f"{key} was done twice"
            self.replayed += "idempotency-replayed" in answer.headers
            if len(self.replays) < 100:
                self.replays.append(sent)
        elif answer.status == 409 or (answer.status == 500 and body["breaks"]):
            self.gone.add(key)
        elif answer.status == 504 and key not in self.unknown:  # in time it was not done, so it never is
            self.late += 1
            self.gone.add(key)
        elif answer.status in (503, 504):  # whether it was done, who asks again is told
            self.unknown.add(key)
            self.replays.append(sent)
        else:
            return f"{answer}"
        return None

    def check_sum(self, answer):
        if answer.status in (503, 504):
            return None
        self.sums += 1
        told = answer.json() if answer.status == 200 else {}
        good = told.get("sum") == told.get("counted") == SUM and told["lowest"] >= 0
        return None if good else f"the sum is wrong: {answer}"

    def audit(self, host):
        """The accounts are what the transfers make them, and the transfers are those that were told."""
        rows, after = {}, 0
        balances = {i: EACH for i in range(1, ACCOUNTS + 1)}
        while page := host.ok("bank.page", {"after": after}):
            for row in page:
                assert row["key"] not in rows, "a transfer is there twice"
                rows[row["key"]] = row["id"]
                balances[row["source"]] -= row["amount"]
                balances[row["target"]] += row["amount"]
            after = page[-1]["id"]
        lost = [key for key, told in self.acknowledged.items() if rows.get(key) != told["id"]]
        assert not lost, f"{len(lost)} acknowledged transfers are lost"
        assert not self.gone & rows.keys(), "a refused transfer is there"
        assert {a["id"]: a["balance"] for a in host.ok("bank.accounts")} == balances
        assert sum(balances.values()) == SUM


class Bank:
    """The host, its releases, and who disturbs it."""

    def __init__(self, folder, start_host, config=None):
        self.directory = folder / "plugins" / "bank"
        self.release = 1
        self.swapped = self.killed = 0
        e2e_postgres.migration(self.directory, "0001_accounts", SCHEMA)
        e2e_host.write(self.directory / "init.lua", bank(1))
        self.host = start_host(self.directory, mode="dev", workers=2, config=config)
        self.host.may_die = True

    def swap(self):
        """A worker that is killed meanwhile may make it fail; then what served before still serves."""
        self.release += 1
        since = self.host.log_mark()
        e2e_host.write(self.directory / "init.lua", bank(self.release))
        label = f"bank@1.0.{self.release}#"
        e2e_host.wait_until("the swap", lambda: self.host.log(since, msg="not live; what served before still serves")
            or any(line["generation"].startswith(label) for line in self.host.log(since, msg="live")))
        self.swapped += 1

    def disturb(self, chance):
        turns = ["kill"] * (KILLS - 1) + ["swap"] * SWAPS
        chance.shuffle(turns)
        for turn in turns:
            time.sleep(chance.uniform(0.01, 0.08))
            if turn == "kill":
                self.killed += ledger.kill_a_worker(self.host, chance)
            else:
                self.swap()
        time.sleep(chance.uniform(0.01, 0.1))
        self.host.kill()
        self.killed += 1


@pytest.mark.limit(60 + ROUNDS * 6)
def test_invariant_4_no_money_is_made_or_lost(folder, start_host, capsys):
    chance, teller, shop = random.Random(7), Teller(), Bank(folder, start_host)
    for _ in range(ROUNDS):
        with e2e_load.Load(shop.host.listen, teller.make, teller.check, connections=32, retry=True) as load:
            shop.disturb(chance)
            load.retry = False
        ledger.only_broken_connections(load.failures)
        ledger.start_again(shop.host)
        teller.audit(shop.host)
    assert teller.acknowledged and teller.gone and teller.replayed
    with capsys.disabled():
        print(f"\n{shop.killed} kills, {shop.swapped} swaps: {len(teller.acknowledged)} transfers kept, {len(teller.gone)} "
              f"undone, {teller.replayed} answered again, {teller.sums} sums exact")


class Pair:
    """A primary and the standby that follows it, both in the host's URL."""

    def __init__(self, servers):
        self.servers = servers
        self.primary = servers()
        self.place = servers.folder / "second"
        self.failovers = self.crashes = 0
        self.primary.database("bank")
        self.standby = servers.keep(self.primary.standby(self.place))
        self.url = self.primary.url("bank", others=[self.standby], more="target_session_attrs=read-write")

    def fail_over(self):
        lost = self.primary
        lost.kill()
        self.standby.promote()
        self.primary = self.standby
        self.failovers += 1
        return lost

    def follow_again(self, lost):
        """The one that was lost begins anew as a standby, in its old place."""
        self.standby = self.servers.keep(self.primary.standby(lost.folder, lost.port))

    def crash(self):
        self.primary.kill()
        self.primary.start()
        self.crashes += 1


def more_transfers(teller, count=100):
    before = len(teller.acknowledged)
    e2e_host.wait_until("transfers", lambda: len(teller.acknowledged) > before + count, 30)


def lose_servers(pair, teller):
    """By fail-over and by a crash, under load all the time."""
    more_transfers(teller)
    lost = pair.fail_over()
    more_transfers(teller)
    pair.follow_again(lost)
    more_transfers(teller)
    pair.crash()
    more_transfers(teller)


@pytest.mark.limit(60 + SERVER_ROUNDS * 90)
def test_invariant_4_no_money_is_made_or_lost_with_a_server(folder, start_host, postgres_server, capsys):
    chance, teller, pair = random.Random(9), Teller(), Pair(postgres_server)
    shop = Bank(folder, start_host, {"database": pair.url})
    for _ in range(SERVER_ROUNDS):
        with e2e_load.Load(shop.host.listen, teller.make, teller.check, connections=16, retry=True) as load:
            lose_servers(pair, teller)
            shop.disturb(chance)
            load.retry = False
        ledger.only_broken_connections(load.failures)
        ledger.start_again(shop.host)
        teller.audit(shop.host)
    assert teller.acknowledged and teller.gone and teller.replayed and teller.unknown
    with capsys.disabled():
        print(f"\n{pair.failovers} fail-overs, {pair.crashes} crashes of the server, {shop.killed} kills, {shop.swapped} swaps: "
              f"{len(teller.acknowledged)} transfers kept, {len(teller.gone)} undone ({teller.late} late), {len(teller.unknown)} "
              f"unknown and sent again, {teller.replayed} answered again, {teller.sums} sums exact")
