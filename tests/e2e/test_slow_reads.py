"""Reads that take long go on beside the worker's loop (docs/decisions/0037): what others see of it, also when the
release is swapped, a command writes or the host is stopped meanwhile."""

import statistics
import threading
import time

import e2e_host
import e2e_plugins
import pytest

ROWS = 100000
SCHEMA = f"""create table rows (id integer primary key, body text not null);
with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS})
insert into rows select i, 'row ' || i from n;"""
BODY = """
plugin:query "get" { input = { id = t.integer }, output = t.string, run = function(ctx, input)
    return ctx.db:value("select body from rows where id = $1", input.id) end }
plugin:query "scan" { input = { times = t.integer }, output = { sum = t.integer, before = t.integer,
    after = t.integer, release = t.integer }, run = function(ctx, input)
    local before = ctx.db:value("select count(*) from rows")
    local sum = ctx.db:value([[with recursive n(i) as (select 1 union all select i + 1 from n where i < $1)
        select sum(length(body)) from n, rows where body like '%7%']], input.times)
    return { sum = sum, before = before, after = ctx.db:value("select count(*) from rows"), release = RELEASE } end }
plugin:query "all" { output = { rows = t.integer, sum = t.integer }, run = function(ctx)
    local rows, sum = 0, 0
    for row in ctx.db:each("select id, body from rows order by id") do
        assert(row.body == "row " .. row.id or row.body == "new")
        rows, sum = rows + 1, sum + row.id
    end
    return { rows = rows, sum = sum } end }
plugin:command "add" { output = t.integer, run = function(ctx)
    return ctx.db:value("insert into rows(body) values ('new') returning id") end }
"""
LIMITS = {"cpu_ms": 60000, "wall_ms": 60000}


def source(release=1):
    return e2e_plugins.plugin(BODY.replace("RELEASE", str(release)), version=f"1.0.{release}", needs=["db"],
        limits=LIMITS)


@pytest.fixture
def shop(folder):
    directory = folder / "plugins" / "shop"
    e2e_host.write(directory / "migrations" / "0001_rows.sql", SCHEMA)
    e2e_host.write(directory / "init.lua", source())
    return directory


class Scans:
    """Calls of "scan" from threads of their own, one after the other."""

    def __init__(self, host, count, times):
        self.host, self.times = host, times
        self.ended = threading.Event()
        self.answers, self.seconds = [], []
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        with self.host.connect(timeout=60) as c:
            while not self.ended.is_set():
                begun = time.monotonic()
                self.answers.append(c.request("POST", "/call/shop.scan", {"times": self.times}))
                self.seconds.append(time.monotonic() - begun)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_fast_reads_pass_slow_ones(start_host, shop):
    host = start_host([shop], workers=1)
    host.ok("shop.scan", {"times": 1})
    took = []
    with Scans(host, 3, 20) as scans, host.connect() as c:
        end = time.monotonic() + 2
        while time.monotonic() < end or len(scans.answers) < 3:
            begun = time.monotonic()
            assert c.request("POST", "/call/shop.get", {"id": 1 + len(took)}).json() == f"row {1 + len(took)}"
            took.append(time.monotonic() - begun)
            time.sleep(0.002)
    assert {answer.status for answer in scans.answers} == {200}
    assert len({answer.json()["sum"] for answer in scans.answers}) == 1
    assert statistics.median(scans.seconds) > 20 * statistics.median(took)


def test_a_call_keeps_its_snapshot_while_commands_write(start_host, shop):
    host = start_host([shop], workers=1)
    with Scans(host, 3, 5) as scans:
        for _ in range(50):
            host.ok("shop.add")
            time.sleep(0.01)
    answers = [answer.json() for answer in scans.answers]
    assert all(answer["before"] == answer["after"] for answer in answers)
    assert host.ok("shop.scan", {"times": 1})["after"] == ROWS + 50


def test_every_row_comes_once_and_in_order(start_host, shop):
    host = start_host([shop], workers=1)
    before = host.workers_rss()
    for _ in range(3):
        assert host.ok("shop.all") == {"rows": ROWS, "sum": ROWS * (ROWS + 1) // 2}
    assert e2e_host.IS_ASAN or host.workers_rss() - before < 16 << 20  # what is freed stays there


def test_a_swap_leaves_slow_reads_to_their_release(start_host, shop):
    host = start_host([shop], workers=1)
    with Scans(host, 3, 10) as scans:
        for release in range(2, 8):
            time.sleep(0.1)
            host.save(shop / "init.lua", source(release), f"shop@1.0.{release}")
    assert {answer.status for answer in scans.answers} == {200}
    for answer in scans.answers:
        assert answer.generation.startswith(f"shop@1.0.{answer.json()['release']}#")


def test_the_host_stops_in_the_middle_of_slow_reads(start_host, shop):
    host = start_host([shop], workers=2)
    with Scans(host, 4, 20) as scans:
        time.sleep(0.5)
        scans.ended.set()
        host.stop()
    assert {answer.status for answer in scans.answers} == {200}
