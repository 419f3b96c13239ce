"""Commands and queries on a PostgreSQL server that is contended, restarted, killed, frozen, or out of connections:
what was answered is kept, what was refused is not, and nobody waits beyond a deadline."""

import concurrent.futures
import itertools
import json
import threading
import time

import e2e_host
import e2e_load
import e2e_plugins
import e2e_postgres
import pytest
from e2e_http import request_bytes

BANK = """
local none = { wait = t.number { default = 0 } }
plugin:command "add" { input = { key = t.string, fail = t.boolean { default = false }, wait = t.number { default = 0 } },
    output = { id = t.integer }, errors = { refused = 409 }, run = function(ctx, input)
    local id = ctx.db:value("insert into rows(key) values ($1) returning id", input.key)
    if input.wait > 0 then ctx.db:value("select 1 from pg_sleep($1)", input.wait) end
    if input.fail then ctx:fail("refused") end
    return { id = id } end }
plugin:command "count" { output = t.integer, run = function(ctx)
    local n = ctx.db:value("select n from counters where id = 1") + 1
    ctx.db:run("update counters set n = $1 where id = 1", n)
    return n end }
plugin:query "keys" { output = t.map(t.integer), run = function(ctx)
    local all = {}
    for row in ctx.db:each("select id, key from rows") do all[row.key] = row.id end
    return all end }
plugin:query "counted" { output = t.integer, run = function(ctx) return ctx.db:value("select n from counters where id = 1") end }
plugin:query "wait" { input = none, output = t.integer, run = function(ctx, input)
    return ctx.db:value("select 1 from pg_sleep($1)", input.wait) end }
plugin:action "look" { input = none, output = t.integer, run = function(ctx, input)
    return ctx.db:value("select 1 from pg_sleep($1)", input.wait) end }
plugin:query "none" { output = t.integer, run = function(ctx) return 1 end }
"""
SCHEMA = """create table rows (id integer primary key, key text not null);
create table counters (id integer not null, n integer not null);
insert into counters values (1, 0);
"""


@pytest.fixture
def server(postgres_server):
    return postgres_server()


def bank(folder, limits=None):
    directory = folder / "plugins" / "bank"
    e2e_postgres.migration(directory, "0001_rows", SCHEMA)
    e2e_host.write(directory / "init.lua", e2e_plugins.plugin(BANK, name="bank", needs=["db"], limits=limits or {"wall_ms": 5000}))
    return directory


@pytest.fixture
def start(folder, server, start_host):
    def with_options(limits=None, workers=2, connections=8):
        return start_host(bank(folder, limits), mode="serve", workers=workers,
            config={"database": server.database("bank"), "database_connections": connections})
    return with_options


class Writer:
    """Commands with keys of their own, every fifth of which fails after it has written; and what was said of each."""

    def __init__(self):
        self.numbers = itertools.count()
        self.kept, self.refused, self.retry = {}, set(), set()

    def make(self, _):
        number = next(self.numbers)
        return request_bytes("POST", "/call/bank.add", {"key": f"k{number}", "fail": number % 5 == 0})

    def check(self, answer, sent):
        key = json.loads(sent.split(b"\r\n\r\n", 1)[1])["key"]
        if answer.status == 200:
            self.kept[key] = answer.json()["id"]
        elif answer.status == 409:
            self.refused.add(key)
        elif answer.status == 503 and answer.json()["code"] == "retry":
            self.retry.add(key)
        else:
            return f"{answer}"
        return None

    def must_hold(self, rows):
        lost = {key for key, id in self.kept.items() if rows.get(key) != id}
        assert not lost, f"{len(lost)} of {len(self.kept)} acknowledged commands are lost"
        assert not self.refused & rows.keys()
        assert rows.keys() <= self.kept.keys() | self.retry


def works_again(host):
    """Without a restart, within what a back-off may take."""
    e2e_host.wait_until("a command to succeed", lambda: host.call("bank.count").status == 200, 10)


# ---- contention


def test_no_update_is_lost_under_contention(start):
    """They read, and write what they have read and one more: only serialisable transactions count right."""
    host = start(limits={"wall_ms": 20000})
    answers = []

    def check(answer, _):
        answers.append(answer.status)
        return None if answer.status in (200, 503) else f"{answer}"

    with e2e_load.Load(host.listen, lambda _: request_bytes("POST", "/call/bank.count", {}), check, connections=12) as load:
        load.wait_for(400)
    assert load.failures == []
    assert answers.count(200) == host.ok("bank.counted")
    assert answers.count(200) > len(answers) * 0.9


def test_commands_that_do_not_meet_run_beside_each_other(start, server):
    host = start(workers=1)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        begun = time.monotonic()
        answers = list(pool.map(lambda n: host.call("bank.add", {"key": f"k{n}", "wait": 0.5}).status, range(6)))
        took = time.monotonic() - begun
    assert answers == [200] * 6
    assert took < 2.5 * e2e_host.SLOW, f"{took:.1f} s: they waited for each other"


# ---- lost connections


def test_an_idle_connection_that_was_ended_is_not_noticed(start, server):
    host = start()
    for number in range(6):
        host.ok("bank.add", {"key": f"k{number}"})
        host.ok("bank.keys")
        assert server.terminate("state = 'idle'") > 0
        assert host.call("bank.none").status == 200
    assert host.ok("bank.keys").keys() == {f"k{n}" for n in range(6)}
    assert host.call("bank.look").status == 200


@pytest.mark.parametrize("capability", ["bank.wait", "bank.look"])
def test_a_read_whose_backend_is_ended_is_done_anew_or_told_to_retry(start, server, capability):
    """An action is not: it may have told others something."""
    host = start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.call, capability, {"wait": 1})
        server.wait_activity("query like '%pg_sleep%' and state = 'active'")
        assert server.terminate("query like '%pg_sleep%'") == 1
        told = answer.result()
    if capability == "bank.wait":
        assert told.status == 200, told
    else:
        assert (told.status, told.json()["code"]) == (503, "retry"), told
    works_again(host)


def test_a_command_whose_backend_is_ended_before_its_commit_keeps_nothing_of_that(start, server):
    host = start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.call, "bank.add", {"key": "k", "wait": 1})
        server.wait_activity("query like '%pg_sleep%' and state = 'active'")
        assert server.terminate("query like '%pg_sleep%'") == 1
        told = answer.result()
    assert told.status == 200 or (told.status == 503 and told.json()["code"] == "retry"), told
    works_again(host)
    assert len(host.ok("bank.keys")) == (1 if told.status == 200 else 0)
    assert server.sql("select count(*) from bank.rows", "bank") == ("1" if told.status == 200 else "0")


def test_a_query_that_the_server_cancels_is_an_error_and_the_connection_stays(start, server):
    host = start(connections=1, workers=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.call, "bank.wait", {"wait": 5})
        server.wait_activity("query like '%pg_sleep%' and state = 'active'")
        server.sql("select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()")
        assert answer.result().status in (500, 503, 504)
    works_again(host)


@pytest.mark.limit(90)
@pytest.mark.parametrize("how", ["restart", "kill", "terminate"])
def test_invariant_4_what_was_answered_outlives_the_servers_loss_under_load(start, server, how):
    host, writer = start(limits={"wall_ms": 3000}), Writer()
    with e2e_load.Load(host.listen, writer.make, writer.check, connections=16) as load:
        for _ in range(3):
            before = len(writer.kept)
            e2e_host.wait_until("commands", lambda before=before: len(writer.kept) > before + 100, 20)
            if how == "restart":
                server.restart()
            elif how == "kill":
                server.kill()
                server.start()
            else:
                assert server.terminate() > 0
        before = len(writer.kept)
        e2e_host.wait_until("commands", lambda: len(writer.kept) > before + 100, 20)
    assert load.failures == []
    assert writer.kept and writer.refused
    writer.must_hold(host.ok("bank.keys"))


def test_a_host_starts_and_serves_others_while_the_server_is_away(folder, server, start_host):
    url = server.database("bank")
    server.stop()
    bank(folder)
    e2e_host.write(folder / "plugins" / "small" / "init.lua", e2e_plugins.constant(7, name="small"))
    host = start_host(folder / "plugins", mode="serve", wait=False, config={"databases": {"bank": url}})
    e2e_host.wait_until("the host to listen", host.take_addresses)
    e2e_host.wait_until("the other plugin", lambda: host.call("small.value").status == 200)
    assert host.call("bank.count").status in (404, 503)


@pytest.mark.limit(60)
def test_a_commit_that_no_standby_has_is_not_acknowledged(start, server, postgres_server):
    """Somebody makes the server give up waiting for the standby: the commit is there, and not safe."""
    host = start(workers=1)
    standby = postgres_server.keep(server.standby(postgres_server.folder / "second"))
    host.ok("bank.add", {"key": "before"})
    standby.pause()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(host.call, "bank.add", {"key": "k"})
            server.wait_activity("wait_event = 'SyncRep'")
            server.sql("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
            told = answer.result()
    finally:
        standby.resume()
    assert (told.status, told.json()["code"]) == (503, "retry")
    assert host.ok("bank.keys").keys() == {"before", "k"}


# ---- a server that does not answer


def test_a_frozen_server_holds_nobody_beyond_the_deadline(start, server):
    host = start(limits={"wall_ms": 800})
    host.ok("bank.count")
    server.pause()
    try:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            begun = time.monotonic()
            calls = [pool.submit(host.call, name) for name in ("bank.count", "bank.counted", "bank.look") * 4]
            for _ in range(20):  # the loop goes on
                quick = time.monotonic()
                assert host.call("bank.none").status == 200
                assert time.monotonic() - quick < 0.5 * e2e_host.SLOW
            answers = [call.result() for call in calls]
            took = time.monotonic() - begun
        assert {a.status for a in answers} <= {503, 504}, answers
        assert took < 3 * e2e_host.SLOW, f"{took:.1f} s"
    finally:
        server.resume()
    works_again(host)
    assert host.call("bank.counted").status == 200


def test_db_ms_ends_a_statement_and_what_the_server_does_for_it(start, server):
    host = start(limits={"wall_ms": 5000, "db_ms": 200})
    for name in ("bank.wait", "bank.look"):
        begun = time.monotonic()
        answer = host.call(name, {"wait": 4})
        assert answer.status == 504, answer
        assert time.monotonic() - begun < 2 * e2e_host.SLOW
    assert host.call("bank.add", {"key": "k", "wait": 4}).status == 504
    e2e_host.wait_until("the server to be idle", lambda: server.sql("select count(*) from pg_stat_activity where state = 'active' "
        "and query like '%pg_sleep%' and pid <> pg_backend_pid()") == "0", 3)
    assert host.ok("bank.keys") == {}


def test_a_client_that_leaves_frees_its_connection_by_the_deadline(start, server):
    host = start(workers=1, connections=1, limits={"wall_ms": 2000})
    with host.connect() as client:
        client.send(request_bytes("POST", "/call/bank.wait", {"wait": 15}))
        server.wait_activity("query like '%pg_sleep%' and state = 'active'")
    works_again(host)
    e2e_host.wait_until("the server to have seen it", lambda: server.sql("select count(*) from pg_stat_activity where state = 'active' "
        "and query like '%pg_sleep%' and pid <> pg_backend_pid()") == "0", 2)


# ---- few connections


def test_more_calls_than_connections_wait_their_turn(start, server):
    host = start(workers=1, connections=2, limits={"wall_ms": 10000})
    most, stop = [0], threading.Event()

    def watch():
        while not stop.is_set():
            most[0] = max(most[0], int(server.sql("select count(*) from pg_stat_activity where usename like 'pinion%' and usename <> 'pinion_host'")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(host.call, name, {"wait": 0.2}) for name in ("bank.wait", "bank.look") * 6]
        answers = [call.result().status for call in calls]
    stop.set()
    watcher.join()
    assert answers == [200] * 12
    assert 1 <= most[0] <= 2


def test_who_waits_too_long_for_a_connection_is_told_so(start):
    host = start(workers=1, connections=1, limits={"wall_ms": 600})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: host.call("bank.wait", {"wait": 0.4}).status, range(8)))
    assert answers.count(200) >= 1 and set(answers) <= {200, 503, 504}
    assert set(answers) != {200}
    assert host.call("bank.wait", {"wait": 0}).status == 200


def test_a_server_that_gives_no_more_connections_is_waited_for(folder, postgres_server, start_host):
    server = postgres_server(["max_connections=8", "superuser_reserved_connections=3", "max_wal_senders=0"])
    host = start_host(bank(folder, {"wall_ms": 10000}), mode="serve", workers=2,
        config={"database": server.database("bank"), "database_connections": 8})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: host.call("bank.wait", {"wait": 0.1}).status, range(32)))
    assert set(answers) <= {200, 503} and answers.count(200) >= 16, answers
    works_again(host)


# ---- a commit that waits for a standby


@pytest.fixture
def lonely(start, server):
    """A host on a server whose commits wait for a standby that is not there."""
    host = start(workers=1)
    server.sql("alter system set synchronous_standby_names = 'nobody'")
    server.sql("select pg_reload_conf()")
    yield host
    server.sql("alter system reset synchronous_standby_names")
    server.sql("select pg_reload_conf()")


WAITS = "wait_event = 'SyncRep' and usename <> current_user"


def test_a_commit_that_gave_up_its_standby_is_not_acknowledged(lonely, server):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lonely.call, "bank.add", {"key": "k"})
        server.wait_activity(WAITS)
        server.sql(f"select pg_cancel_backend(pid) from pg_stat_activity where {WAITS}")
        told = answer.result()
    assert (told.status, told.json()["code"]) == (503, "retry"), told


@pytest.mark.limit(60)
def test_a_commit_that_is_waited_for_no_longer_goes_on_waiting(lonely, server):
    told = lonely.call("bank.add", {"key": "k"})
    assert (told.status, told.json()["code"]) == (503, "retry"), told
    time.sleep(0.5)
    server.wait_activity(WAITS)
    assert lonely.ok("bank.keys") == {}
