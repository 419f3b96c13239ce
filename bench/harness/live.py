"""How long an edit takes to go live, and what a storm of reloads does to the requests under way.

An edit writes a new source file beside the old, then renames it over the old one, as editors do.
The clock starts at the rename and stops when the first answer with the new text has been read. It
is polled without a pause, once over one kept connection (what a browser or a gateway sees) and once
with a new connection for each poll (what a first-time caller sees; a server that keeps the old code
for old connections differs here).
"""
import os
import random
import statistics
import time

from harness.client import GREET, Client, request_bytes
from harness.load import START_SECONDS, Wrk, answers, failed_requests
from harness.process import LOAD_CORE, Failed, memory_mb, wait_until
from harness.site import Site

EDITS = 30
EDIT_LIMIT_SECONDS = 10
STORM_SECONDS = 20
STORM_LIMIT_SECONDS = 120
REQUEST = request_bytes(*GREET)


class Source:
    """The file of a peer that says Hello, rewritten to say something else each time."""

    def __init__(self, peer, site):
        self.path = peer.edited_file(site)
        self.in_place = peer.loses_renamed_files
        self.count = 0
        with open(self.path, encoding="utf-8") as file:
            self.text = file.read()
        if self.text.count('"Hello, "') != 1:
            raise Failed(f'{self.path} does not hold "Hello, " exactly once')

    def edit(self):
        """(time of the rename, the bytes that the new answer holds)"""
        self.count += 1
        word = f"Hello{self.count:04d}, "
        text = self.text.replace('"Hello, "', f'"{word}"')
        if self.in_place:
            start = time.perf_counter()
            self._write(self.path, text)
        else:
            self._write(self.path + "~", text)
            start = time.perf_counter()
            os.rename(self.path + "~", self.path)
        return start, word.encode()

    @staticmethod
    def _write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def _poll(client, expected, start, anew=False, pause=0.0):
    """(milliseconds from start to the first answer that holds expected, answers that never came)"""
    lost, end = 0, start + EDIT_LIMIT_SECONDS
    while True:
        try:
            if expected in client.ask(REQUEST):
                return (time.perf_counter() - start) * 1000, lost
        except ConnectionError:
            lost += 1
        if anew:
            client.close()
        if time.perf_counter() > end:
            raise Failed(f"an edit was not live within {EDIT_LIMIT_SECONDS} s")
        if pause:
            time.sleep(pause)


def _edits(peer, server, source, anew):
    """(sorted milliseconds of EDITS edits, answers lost meanwhile)"""
    client, times, lost = Client(server.port), [], 0
    for _ in range(EDITS):
        time.sleep(random.uniform(0.1, 0.2))
        client.ask(REQUEST)
        start, expected = source.edit()
        peer.reload(server)
        took, missed = _poll(client, expected, start, anew)
        times.append(took)
        lost += missed
    client.close()
    return sorted(times), lost


def edit_to_live(peer, parent):
    """How long EDITS edits took over a kept connection, and the median of as many over new
    connections.
    """
    with Site(parent) as site, peer.start(site, live=True) as server:
        wait_until(lambda: answers(server.port, "greet"), server, START_SECONDS, "a first answer")
        source = Source(peer, site)
        times, lost = _edits(peer, server, source, anew=False)
        new_times, _ = _edits(peer, server, source, anew=True)
    return {"way": peer.live, "median_ms": statistics.median(times), "best_ms": times[0],
            "p90_ms": times[int(len(times) * 0.9)],
            "new_connection_ms": statistics.median(new_times), "edits": len(times), "lost": lost}


def reload_storm(peer, parent):
    """Edits at an even pace under wrk; each must be seen live before the next. Counts what wrk lost
    meanwhile.
    """
    with Site(parent) as site, peer.start(site, live=True) as server:
        wait_until(lambda: answers(server.port, "greet"), server, START_SECONDS, "a first answer")
        source, client = Source(peer, site), Client(server.port)
        with Wrk("greet", server.port, 2 * STORM_LIMIT_SECONDS) as wrk:
            time.sleep(1)
            start = time.monotonic()
            early = _storm(peer, server, source, client)
            took = time.monotonic() - start
            wrk.stop()
            figures = wrk.finish()
        client.close()
        late = memory_mb(server.pid)
    return {
        "way": peer.live, "reloads": source.count, "seconds": took,
        "failed": failed_requests(figures), "requests": figures["requests"],
        "requests_per_s": figures["requests"] * 1e6 / figures["duration_us"],
        "p99_ms": figures["p99_us"] / 1000, "max_ms": figures["max_us"] / 1000,
        "rss_mb_after_10": early[0], "rss_mb_after": late[0],
    }


def _storm(peer, server, source, client):
    """Runs the edits; answers the memory after the tenth."""
    start, early = time.monotonic(), None
    pace = STORM_SECONDS / peer.storm_reloads
    while source.count < peer.storm_reloads and time.monotonic() - start < STORM_LIMIT_SECONDS:
        time.sleep(max(0.0, start + source.count * pace - time.monotonic()))
        edited, expected = source.edit()
        peer.reload(server)
        _poll(client, expected, edited, pause=0.001)
        if source.count == 10:
            early = memory_mb(server.pid)
    if not early:
        raise Failed(f"only {source.count} reloads within {STORM_LIMIT_SECONDS} s")
    return early


def pin_to_load_core():
    """Edits and polls come from the load's side of the machine, never from the server's core."""
    os.sched_setaffinity(0, {LOAD_CORE})
