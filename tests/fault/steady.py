"""A steady load on one address, in a process of its own: steady.py HOST:PORT REQUEST_FILE PER_SECOND.

Requests leave at fixed times whatever the answers take, so a wait is counted for everybody whom it
would have kept waiting. Reads one character per second of measurement to begin from standard input
("m5\\n": measure for 5 s) and answers each line with one of JSON: the latencies in ms, sorted, and the failures.
"""

import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import e2e_http  # noqa: E402


def measure(connection, request, expected, gap, seconds):
    """One connection after the other's answer would hide a wait: latency counts from the planned time."""
    latencies, failures = [], []
    begun = time.monotonic()
    for i in range(int(seconds / gap)):
        planned = begun + i * gap
        now = time.monotonic()
        if planned > now:
            time.sleep(planned - now)
        try:
            connection.send(request)
            answer = connection.answer()
            if answer.status != 200 or answer.body != expected:
                failures.append(f"{answer.status} {answer.body[:200]!r}")
        except (OSError, AssertionError) as error:
            failures.append(repr(error))
            return latencies, failures
        latencies.append((time.monotonic() - max(planned, now)) * 1000)
    return latencies, failures


def main():
    address, request_file, rate = sys.argv[1:]
    request = pathlib.Path(request_file).read_bytes()
    with e2e_http.Connection(address, 10) as connection:
        connection.send(request)
        expected = connection.answer().body
        for line in sys.stdin:
            latencies, failures = measure(connection, request, expected, 1 / float(rate), float(line))
            print(json.dumps({"latencies": sorted(latencies), "failures": failures}), flush=True)


main()
