"""A table of 200,000 rows through the API, in flat memory. bench/rows/run does the same with 10,000,000."""

import itertools
import pathlib
import sqlite3

import e2e_host
import pytest

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "bench" / "rows" / "plugins" / "bench_rows"
ROWS, ACCOUNTS = 200000, 1000
SOME_BYTES = 8 << 20


@pytest.fixture
def host(folder, start_host):
    host = start_host([PLUGIN], workers=1, mode="serve")
    host.stop()
    with sqlite3.connect(next(host.data.rglob("bench_rows.db"))) as db:
        db.execute("with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) insert into entry"
                   " select i, i % ?, 'entry number ' || i, i % 10007 from n", (ROWS, ACCOUNTS))
    db.close()
    return host.start()


def cents(numbers):
    return sum(number % 10007 for number in numbers)


def test_each_row_is_found_by_its_key(host):
    with host.connect() as c:
        for number in range(1, ROWS + 1, 997):
            assert c.request("GET", f"/entries/{number}").json() == {
                "id": number, "account": number % ACCOUNTS, "text": f"entry number {number}", "cents": number % 10007}
        assert c.request("GET", f"/entries/{ROWS + 1}").status == 404


def test_pages_are_without_gaps(host):
    found = []
    with host.connect() as c:
        while page := c.request("GET", f"/accounts/7/entries?limit=30&after={found[-1] if found else 0}").json():
            assert len(page) <= 30
            found += [row["id"] for row in page]
    assert found == list(range(7, ROWS + 1, ACCOUNTS))


def test_memory_does_not_follow_the_rows(host):
    """Neither while a call goes through all of them, nor from one such call to the next."""
    everything = {"rows": ROWS, "cents": cents(range(1, ROWS + 1))}
    with host.connect(timeout=60) as c:
        assert c.request("GET", "/walk?rows=2000").json() == {"rows": 2000, "cents": cents(range(1, 2001))}
        assert c.request("GET", "/totals").json()["cents"] == everything["cents"]
        before = host.workers_rss()
        for _ in range(3):
            c.send(b"GET /walk?rows=200000 HTTP/1.1\r\nHost: test\r\n\r\n")
            inside = [host.workers_rss() for _ in range(10)]
            assert c.answer().json() == everything
            # With sanitizers what is freed stays there.
            assert e2e_host.IS_ASAN or max(inside + [host.workers_rss()]) - before < SOME_BYTES
        after = host.workers_rss()
        for number in itertools.chain(range(1, 2000), range(ROWS - 2000, ROWS)):
            assert c.request("GET", f"/entries/{number}").status == 200
        assert e2e_host.IS_ASAN or host.workers_rss() - after < SOME_BYTES
