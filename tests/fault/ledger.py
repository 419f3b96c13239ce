"""The plugin `ledger`, of commands that are kept, refused after they have written, or unknown; and what
was said of each of them, over all lives of a host."""

import itertools
import json
import os
import signal
import threading
import time

import e2e_host
import e2e_plugins
from e2e_http import request_bytes

SCHEMA = "create table rows (id integer primary key, key text not null, body text not null default '');"
SOURCE = """
plugin:command "add" {{ input = {{ key = t.string, fail = t.boolean, body = t.optional(t.string) }},
    output = {{ id = t.integer }}, errors = {{ refused = 409 }},
    run = function(ctx, input)
    local id = ctx.db:value("insert into rows(key, body) values ($1, $2) returning id", input.key, input.body or "")
    if input.fail then ctx:fail("refused") end
    return {{ id = id }} end }}
plugin:query "page" {{ input = {{ after = t.integer }}, output = t.array({{ id = t.integer, key = t.string }}),
    run = function(ctx, input)
    return ctx.db:all("select id, key from rows where id > $1 order by id limit 5000", input.after) end }}
plugin:query "release" {{ output = t.integer, run = function() return {release} end }}
"""


def install(folder, release=1, migrations=1):
    """Writes it into `folder`, with so many migrations."""
    e2e_host.write(folder / "migrations" / "0001_rows.sql", SCHEMA)
    for number in range(2, migrations + 1):
        e2e_host.write(folder / "migrations" / f"{number:04}_more.sql", f"create table more{number} (x);")
    e2e_host.write(folder / "init.lua",
        e2e_plugins.plugin(SOURCE.format(release=release), name="ledger", version=f"1.0.{release}", needs=["db"]))


class Ledger:
    """Commands with keys of their own, every seventh of which is refused. `body` gives a text for each;
    with `keyed` each carries its key as Idempotency-Key too."""

    def __init__(self, body=None, keyed=False):
        self.numbers = itertools.count()
        self.body, self.keyed = body, keyed
        self.acknowledged, self.refused = {}, set()
        self.asked = {}  # key: the request, until its answer is known
        self.lock = threading.Lock()

    def make(self, _):
        with self.lock:
            number = next(self.numbers)
        key, body = f"k{number}", {"key": f"k{number}", "fail": number % 7 == 0}
        if self.body:
            body["body"] = self.body()
        self.asked[key] = request_bytes("POST", "/call/ledger.add", body,
            [("Idempotency-Key", key)] if self.keyed else [])
        return self.asked[key]

    def check(self, answer, sent):
        key = key_of(sent)
        if answer.status == 200:
            assert key not in self.acknowledged
            self.acknowledged[key] = answer.json()["id"]
        elif answer.status == 409:
            self.refused.add(key)
        elif answer.status == 503:  # its home was lost, or is not there yet: nobody knows
            return None
        else:
            return f"{answer}"
        del self.asked[key]
        return None

    def must_be_kept(self, host):
        """Each acknowledged command is there once, with the id that was told; none that was refused."""
        rows = all_rows(host)
        by_key = {row["key"]: row["id"] for row in rows}
        assert len(by_key) == len(rows), "a command is there twice"
        lost = {key: id for key, id in self.acknowledged.items() if by_key.get(key) != id}
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged commands are lost"
        kept = self.refused & by_key.keys()
        assert not kept, f"{len(kept)} refused commands are there"
        return by_key


def key_of(request):
    return json.loads(request.split(b"\r\n\r\n", 1)[1])["key"]


def page_after(host, after):
    """A reader waits 100 ms for a writer that recovers the log, which a busy machine may take longer for."""
    for _ in range(100):
        answer = host.call("ledger.page", {"after": after})
        if answer.status != 503:
            break
        time.sleep(0.05)
    assert answer.status == 200, answer
    return answer.json()


def all_rows(host):
    rows, after = [], 0
    while page := page_after(host, after):
        rows += page
        after = page[-1]["id"]
    return rows


def only_broken_connections(failures):
    """Those that are no more than what a killed process leaves behind."""
    wrong = [f for f in failures if not any(word in f
        for word in ("closed before", "Reset", "BrokenPipe", "cannot send"))]
    assert wrong == []


def kill_a_worker(host, chance):
    """Whether one was; what the status says is up to 100 ms old, and it may be dead already."""
    workers = [w["pid"] for w in host.status()["workers"] if w["state"] == "serving"]
    try:
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
        return bool(workers)
    except ProcessLookupError:
        return False


def start_again(host, wait=True):
    """A worker that was being forked when the supervisor was killed may hold a socket for a moment."""
    e2e_host.wait_until("the sockets to be free", lambda: started(host, wait))


def started(host, wait):
    try:
        return host.start(wait)
    except AssertionError:
        if "already in use" not in host.log_text():
            raise
        host.discard()
        return None
