"""Slow and greedy clients, with tiny limits from --config: they are refused or closed, and cost the
others nothing."""

import time

import e2e_host
import pytest
from e2e_http import request_bytes

HEAD, BODY, IDLE = (int(ms * e2e_host.SLOW) for ms in (300, 500, 700))
CONFIG = {
    "limits": {"request_line": 200, "header_bytes": 1000, "header_count": 10, "body": 2000,
        "connections": 20},
    "timeouts_ms": {"head": HEAD, "body": BODY, "idle": IDLE, "write": 500},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = e2e_host.Host(tmp_path_factory.mktemp("limits"), e2e_host.PLUGINS, mode="serve",
        workers=1, config=CONFIG)
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()


def took(act):
    begun = time.monotonic()
    result = act()
    return result, (time.monotonic() - begun) * 1000


@pytest.mark.parametrize("begin, limit, detail", [
    (b"P", HEAD, "head"),
    (b"POST /greet HTTP/1.1\r\nHost: x\r\nX-Slow", HEAD, "head"),
    (b"POST /greet HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", BODY, "body"),
    (b"POST /greet HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", BODY, "body"),
])
def test_a_request_that_stops_gets_408(host, begin, limit, detail):
    with host.connect() as c:
        c.send(begin)
        answer, ms = took(c.answer)
        assert answer.status == 408
        assert detail in answer.json()["detail"]
        assert limit * 0.7 < ms < limit + 1500 * e2e_host.SLOW
        assert c.is_closed()


def test_a_request_that_drips_gets_408_all_the_same(host):
    """Each byte must not buy new time."""
    with host.connect() as c:
        begun = time.monotonic()
        c.socket.settimeout(0.02)
        c.send(b"GET /users/1 HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        while not c.buffered and time.monotonic() - begun < 5 * e2e_host.SLOW:
            try:
                c.send(b"a")
                c.receive()
            except TimeoutError:
                pass
        assert c.buffered.startswith(b"HTTP/1.1 408 ")
        assert (time.monotonic() - begun) * 1000 < HEAD + 1500 * e2e_host.SLOW


def test_an_idle_connection_is_closed_without_a_word(host):
    for first in (b"", request_bytes("POST", "/greet", {"name": "A"})):
        with host.connect() as c:
            c.send(first)
            if first:
                assert c.answer().status == 200
            closed, ms = took(c.is_closed)
            assert closed
            assert IDLE * 0.7 < ms < IDLE + 1500 * e2e_host.SLOW


def test_a_used_connection_stays_open(host):
    with host.connect() as c:
        for _ in range(4):
            assert c.request("POST", "/greet", {"name": "A"}).status == 200
            time.sleep(IDLE / 2500)


def test_a_client_that_does_not_read_is_cut_off(host):
    with host.connect() as c:
        c.socket.settimeout(3 * e2e_host.SLOW)
        many = request_bytes("GET", "/users/1?email=" + "a" * 100) * 200
        with pytest.raises(OSError):
            for _ in range(3000):
                c.send(many)
    assert host.request("POST", "/greet", {"name": "A"}).status == 200
    assert e2e_host.IS_ASAN or host.workers_rss() < 60 * 1024 * 1024


@pytest.mark.parametrize("data, status", [
    (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 10 + b"\r\n", 431),
    (request_bytes("POST", "/greet", b" " * 2001), 413),
    (
        b"POST /greet HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d1\r\n" + b" " * 2001 + b"\r\n0\r\n\r\n", 413),
])
def test_sizes_are_limited(host, data, status):
    with host.connect() as c:
        c.send(data)
        assert c.answer().status == status
        assert c.is_closed()


def test_just_within_the_limits_is_served(host):
    body = b'{"name":"A"}'.ljust(2000)
    assert host.request("POST", "/greet", body).status == 200
    assert host.request("POST", "/greet", {"name": "A"},
        [(f"X{i}", "1") for i in range(8)]).status == 200


def test_slow_clients_leave_room_for_others(host):
    """All but a few of the connections are held by slow clients: the rest is served, and they are
    gone in the end."""
    slow = [host.connect() for _ in range(15)]
    for c in slow:
        c.send(b"POST /greet HTTP/1.1\r\nHost: x\r\n")
    for _ in range(20):
        answer, ms = took(lambda: host.request("POST", "/greet", {"name": "A"}))
        assert answer.status == 200
        assert ms < 250 * e2e_host.SLOW
    for c in slow:
        assert c.answer().status == 408
        c.close()


def test_too_many_connections_are_turned_away_with_503(host):
    def open_count():
        return host.status()["workers"][0]["connections"]

    e2e_host.wait_until("room", lambda: open_count() == 0)
    held = [host.connect() for _ in range(20)]
    e2e_host.wait_until("all to be taken", lambda: open_count() == 20)
    with host.connect() as c:
        c.send(request_bytes("POST", "/greet", {"name": "A"}))
        answer = c.answer()
        assert answer.status == 503
        assert answer.headers["connection"] == "close"
    for c in held:
        c.close()
    e2e_host.wait_until("room", lambda: open_count() == 0)
    assert host.request("POST", "/greet", {"name": "A"}).status == 200


def test_nobody_died_of_it(host):
    assert host.request("POST", "/greet", {"name": "A"}).status == 200
    assert host.status()["workers"][0]["respawns"] == 0
    assert host.status()["workers"][0]["timeouts"] > 0
