"""A plugin's data on a PostgreSQL server: the same calls, real contention, faults of the server, and SQL that would reach
beyond its plugin."""

import concurrent.futures
import os
import shutil
import signal
import threading
import time

import e2e_fixtures
import e2e_host
import e2e_plugins
import e2e_postgres
import pytest

pytestmark = pytest.mark.skipif(not e2e_postgres.binaries() and not os.environ.get("CI"), reason="there is no PostgreSQL server")

BANK = """
plugin:command "add" { input = { id = t.integer, balance = t.integer }, output = t.any, run = function(ctx, i)
    return ctx.db:one("insert into accounts(id, balance) values ($1, $2) returning id, balance", i.id, i.balance) end }
plugin:command "deposit" { input = { id = t.integer, amount = t.integer }, output = t.integer, run = function(ctx, i)
    local now = ctx.db:value("select balance from accounts where id = $1", i.id)
    ctx.db:run("update accounts set balance = $2 where id = $1", i.id, now + i.amount)
    return now + i.amount end }
plugin:query "sum" { output = t.integer, run = function(ctx)
    return ctx.db:value("select coalesce(sum(balance), 0) from accounts") end }
plugin:query "read" { input = { sql = t.string, args = t.optional(t.array(t.any)) }, output = t.any,
    run = function(ctx, i) return ctx.db:all(i.sql, table.unpack(i.args or {})) end }
plugin:command "write" { input = { sql = t.string, args = t.optional(t.array(t.any)) }, output = t.any,
    run = function(ctx, i) return { changes = ctx.db:run(i.sql, table.unpack(i.args or {})) } end }
plugin:action "look" { input = { sql = t.string }, output = t.any,
    run = function(ctx, i) return { ctx.db:value(i.sql), ctx.db:value(i.sql) } end }
plugin:action "careful" { output = t.any, run = function(ctx)
    local good = pcall(function() ctx.db:value("select nothing") end)
    local also = pcall(function() ctx.db:value("select 1 / 0") end)
    return { good, also, ctx.db:value("select 3") } end }
plugin:command "remember" { input = { key = t.string }, output = t.any,
    run = function(ctx, i) return { n = ctx.kv:incr(i.key), all = ctx.kv:scan("") } end }
plugin:command "caught" { output = t.any, run = function(ctx)
    ctx.db:run("insert into accounts(id, balance) values (77, 1)")
    pcall(function() ctx.db:run("insert into accounts(id, balance) values (77, 2)") end)
    return {} end }
plugin:command "loop" { output = t.any, run = function(ctx)
    local seen = 0
    for row in ctx.db:each("select g from generate_series(1, 500) g") do
        if row.g % 100 == 0 then ctx.db:run("insert into accounts(id, balance) values ($1, 0)", 1000 + row.g) end
        seen = seen + 1
        if seen == 450 then break end
    end
    return { seen = seen } end }
"""
SCHEMA = "create table accounts (id bigint primary key, balance bigint not null check (balance >= 0));"


@pytest.fixture(scope="module")
def cluster():
    folder = e2e_fixtures.temporary_folder()
    made = e2e_postgres.Server(folder).create().start()
    made.database("shop")
    yield made
    made.discard()
    shutil.rmtree(folder, ignore_errors=True)


def ask(server, text):
    """The rows of SQL that somebody runs who may do all, as lists of texts."""
    return [line.split("|") for line in server.sql(text, "shop").splitlines()]


@pytest.fixture
def server(cluster):
    """The module's server, running, with nothing of earlier tests in it."""
    if not cluster.process:
        cluster.start()
    for (schema,) in ask(cluster, "select nspname from pg_namespace where nspname in ('bank', 'other')"):
        ask(cluster, f"drop schema {schema} cascade")
    yield cluster


def source(folder, body=BANK, name="bank", schema=SCHEMA, limits=None):
    directory = folder / "plugins" / name
    e2e_host.write(directory / "migrations" / "0001_first.sql", schema)
    e2e_host.write(directory / "init.lua", e2e_plugins.plugin(body, name=name, needs=["db", "kv"], limits=limits))
    return directory


@pytest.fixture
def bank(folder, start_host, server):
    def start(workers=2, limits=None, **config):
        directory = source(folder, limits=limits)
        return start_host(directory, mode="dev", workers=workers, config={"database": server.url("shop"), **config})
    return start


def call(host, name, **body):
    import json
    return host.request("POST", f"/call/bank.{name}", json.dumps(body))


def test_values_come_as_lua_s(bank):
    host = bank()
    rows = call(host, "read", sql="""select 1::int2 a, 2::int4 b, 9007199254740993::int8 c, 0.5::float8 d, true e, null f, 12::numeric g,
        12.50::numeric h, 'x'::text i, date '2026-01-02' j, '{"k": 1}'::jsonb k, '\\x4142'::bytea l""").json()
    assert rows == [{"a": 1, "b": 2, "c": 9007199254740993, "d": 0.5, "e": True, "g": 12, "h": "12.50", "i": "x", "j": "2026-01-02",
                     "k": '{"k": 1}', "l": "AB"}]
    rows = call(host, "read", sql="select $1::int a, $2::text b, $3::bool c, $4::float8 d, $5::bytea e, $6::jsonb ->> 'a' f, $7::uuid g",
                args=[7, "ü", True, 0.1, "raw", '{"a": "b"}', "6f1ed002-ab5b-42e9-8f0b-6f2ad0d1a001"]).json()
    assert rows == [{"a": 7, "b": "ü", "c": True, "d": 0.1, "e": "raw", "f": "b", "g": "6f1ed002-ab5b-42e9-8f0b-6f2ad0d1a001"}]


def test_an_sql_error_that_was_caught_commits_nothing(bank, server):
    host = bank()
    assert call(host, "caught").status == 500
    assert ask(server, "select count(*) from bank.accounts") == [["0"]]


def test_rows_go_on_while_other_statements_run(bank, server):
    host = bank()
    assert call(host, "loop").json() == {"seen": 450}
    assert ask(server, "select count(*) from bank.accounts") == [["4"]]


def test_pairs_are_kept_with_the_command(bank):
    host = bank()
    assert call(host, "remember", key="a/1").json() == {"n": 1, "all": [{"key": "a/1", "value": 1}]}
    assert call(host, "remember", key="a/1").json()["n"] == 2


def test_an_action_reads_without_a_transaction(bank):
    host = bank()
    assert call(host, "look", sql="select 1").json() == [1, 1]
    first, second = call(host, "look", sql="select pg_backend_pid()::text || clock_timestamp()::text").json()
    assert first != second
    assert call(host, "look", sql="delete from accounts returning 1").status == 500


def test_an_action_goes_on_after_an_sql_error(bank):
    assert call(bank(), "careful").json() == [False, False, 3]


def test_no_update_is_lost(bank):
    host = bank(limits={"wall_ms": 20000})
    assert call(host, "add", id=1, balance=0).status == 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(host, "deposit", id=1, amount=1), range(120)))
    assert {a.status for a in answers} <= {200, 503}
    good = sum(a.status == 200 for a in answers)
    assert good >= 100, [a.body for a in answers if a.status != 200][:3]
    assert call(host, "sum").json() == good
    assert len({a.body for a in answers if a.status == 200}) == good


HOSTILE = [
    "select * from other.secrets",
    "select set_config('search_path', 'other', false)",
    "select 1; drop table accounts",
    "drop table accounts",
    "copy accounts to program 'touch /tmp/x'",
    "select pg_read_file('/etc/passwd')",
    "select * from pinion_kv",
    'select * from "pinion_kv"',
    "select * from U&\"\\0070inion_kv\"",
    "set role pinion",
    "reset session authorization",
    "commit",
    "rollback",
    "begin",
    "do $$ begin end $$",
    "listen x",
    "lock table accounts",
    "prepare p as select 1",
    "select * into mine from accounts",
    "create table mine (id int)",
    "select pg_advisory_lock(1)",
    "select rolpassword from pg_authid",
    "select lo_create(0)",
    "select /* /* */ 1; */ 1; select 2",
    "insert into pinion_migrations values (9, 'x', 'y')",
]


def test_sql_stays_in_its_plugin_s_schema(folder, start_host, server):
    directories = [source(folder), source(folder, name="other", schema="create table secrets (word text); insert into secrets values ('s')")]
    host = start_host(directories, mode="dev", config={"database": server.url("shop")})
    assert call(host, "add", id=1, balance=5).status == 200
    before = ask(server, "select count(*) from bank.pinion_migrations")
    for sql in HOSTILE:
        for kind in "read", "write":
            answer = call(host, kind, sql=sql)
            assert answer.status == 500, (sql, kind, answer.body)
    assert call(host, "sum").json() == 5
    assert ask(server, "select count(*) from bank.pinion_migrations") == before
    assert call(host, "read", sql="select current_schemas(false)::text s, session_user::text u").json() == [{"s": "{bank}", "u": "pinion_bank"}]
    assert call(host, "read", sql="insert into accounts values (2, 2)").status == 500


def test_words_in_texts_are_none(bank):
    host = bank()
    for sql in ("select 'commit; pinion_kv' a", "select $q$ drop; $q$ a", "select 1 a -- ; drop", "select E'\\'; pinion_x' a", "select 1 a;"):
        assert call(host, "read", sql=sql).status == 200, sql


def test_a_statement_ends_with_its_limit(bank, server):
    host = bank(limits={"db_ms": 200, "wall_ms": 5000})
    begun = time.monotonic()
    answer = call(host, "read", sql="select pg_sleep(30)")
    assert answer.status == 504 and time.monotonic() - begun < 3 * e2e_host.SLOW, answer.body
    e2e_host.wait_until("the server to be told", lambda: ask(server, 
        "select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' and state = 'active' and pid <> pg_backend_pid()") == [["0"]])
    assert call(host, "sum").json() == 0


def test_connections_are_waited_for_in_turn(bank):
    host = bank(workers=1, database_connections=2, limits={"wall_ms": 9000, "db_ms": 8000})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(host, "read", sql="select pg_sleep(0.2)::text a"), range(8)))
    assert {a.status for a in answers} == {200}


@pytest.mark.parametrize("where", ["idle", "read", "write"])
def test_a_killed_connection_is_replaced(bank, server, where):
    host = bank(workers=1, limits={"wall_ms": 9000, "db_ms": 5000})
    kill = ("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'pinion_bank'"
            + ("" if where == "idle" else " and query like '%pg_sleep(0.5)%'"))
    assert call(host, "add", id=1, balance=5).status == 200
    if where == "idle":
        assert ask(server, kill) != [["0"]]
        assert call(host, "sum").json() == 5
        return
    sql = "select pg_sleep(0.5)::text a" if where == "read" else "update accounts set balance = balance + 1 where pg_sleep(0.5) is not null"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(call, host, where, sql=sql)
        e2e_host.wait_until("the statement", lambda: ask(server, kill) != [["0"]])
        assert running.result().status == 200  # done anew
    assert call(host, "sum").json() == (5 if where == "read" else 6)


@pytest.mark.limit(60)
def test_a_server_that_goes_and_comes_loses_nothing(bank, server):
    host = bank(limits={"wall_ms": 3000})
    done, stop, failures = [], threading.Event(), []

    def work(first):
        number = first
        while not stop.is_set():
            answer = call(host, "add", id=number, balance=1)
            if answer.status == 200:
                done.append(number)
            elif answer.status not in (503, 504):
                failures.append(answer.body)
            number += 1

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for i in range(4):
            pool.submit(work, 10 ** 6 * (i + 1))
        for leave in (server.stop, server.kill):
            time.sleep(0.7)
            leave()
            time.sleep(0.3)
            server.start()
        count = len(done)
        e2e_host.wait_until("commands to go on", lambda: len(done) > count + 20)
        stop.set()
    assert not failures
    kept = {int(row[0]) for row in ask(server, "select id from bank.accounts")}
    assert set(done) <= kept and len(done) > 40


def test_a_server_that_stands_still_is_answered_for(bank, server):
    host = bank(limits={"wall_ms": 800, "db_ms": 500})
    assert call(host, "sum").json() == 0
    children = [int(row[0]) for row in ask(server, "select pid from pg_stat_activity where usename = 'pinion_bank'")]
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        assert call(host, "sum").status in (503, 504, 200)
        assert time.monotonic() - begun < 3 * e2e_host.SLOW
    finally:
        for pid in children:
            os.kill(pid, signal.SIGCONT)


def test_the_same_key_is_answered_the_same(bank):
    host = bank()
    headers = [("Idempotency-Key", "k1")]
    ask = lambda: host.request("POST", "/call/bank.add", '{"id": 5, "balance": 3}', headers)  # noqa: E731
    first = ask()
    assert first.status == 200
    for _ in range(4):
        again = ask()
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["idempotency-replayed"] == "true"
    assert host.request("POST", "/call/bank.add", '{"id": 6, "balance": 3}', headers).status == 422


def test_two_hosts_share_a_database(folder, start_host, server):
    hosts = []
    for name in "a", "b":
        directory = source(folder / name)
        hosts.append(start_host(directory, mode="dev", config={"database": server.url("shop")}, into="host-" + name))
    assert call(hosts[0], "add", id=1, balance=1).status == 200
    assert call(hosts[1], "sum").json() == 1
    assert ask(server, "select count(*) from bank.pinion_migrations") == [["1"]]


def test_a_migration_that_fails_leaves_all_as_it_was(folder, start_host, server):
    directory = source(folder)
    host = start_host(directory, mode="dev", config={"database": server.url("shop")})
    mark = host.log_mark()
    e2e_host.write(directory / "migrations" / "0002_more.sql", "create table more (id int);\n\nselect nothing from nowhere;")
    line = host.wait_log(mark, level="error")
    assert "0002_more.sql, line 3" in line["error"], line
    assert ask(server, "select count(*) from pg_tables where tablename = 'more'") == [["0"]]
    assert call(host, "sum").json() == 0
    mark = host.log_mark()
    e2e_host.write(directory / "migrations" / "0002_more.sql", "create table more (id int); commit;")
    assert "the host owns transactions" in host.wait_log(mark, level="error")["error"]
    mark = host.log_mark()
    e2e_host.write(directory / "migrations" / "0002_more.sql", "select no syntax here")
    e2e_host.write(directory / "migrations" / "0002_more.postgresql.sql", "create table more (id int);")
    host.wait_log(mark, msg="live")
    assert ask(server, "select name from bank.pinion_migrations order by 1") == [["0001_first.sql"], ["0002_more.postgresql.sql"]]
    mark = host.log_mark()
    e2e_host.write(directory / "migrations" / "0001_first.sql", SCHEMA + " -- edited")
    assert "was edited after it had been applied" in host.wait_log(mark, level="error")["error"]


@pytest.mark.parametrize("value, says", [
    ("mysql://x/y", "a database is"), ("postgresql://h:notaport/x", "PostgreSQL URL"), ("postgresql://h/x?nonsense=1", "nonsense"),
    ("postgresql://u:secretword@h/x?options=-c%20a", "host's own to choose"), (7, "must be"),
])
def test_a_bad_url_is_refused_with_its_place(folder, value, says):
    import json
    config = folder / "pinion.json"
    config.write_text(json.dumps({"database": value}))
    out = e2e_host.run("serve", "--config", config, "--data", folder / "data", "--listen", "127.0.0.1:0")
    assert out.returncode != 0 and says in out.stderr and "line 1, column" in out.stderr, out.stderr
    assert "secretword" not in out.stderr
