"""ctx.http:stream: bodies of other servers passed on to the caller without being held, and all that
can happen on the way."""

import concurrent.futures
import socket
import threading
import time

import e2e_host
import e2e_plugins
import e2e_upstream
import pytest
from e2e_http import Connection, parse_address, request_bytes

PDF = "application/pdf"
ACTION = """
plugin:action "{name}" {{ input = {{ path = t.string, options = t.optional(t.any) }},
    output = t.stream {media}, errors = {{ upstream = 502 }},
    run = function(ctx, input)
        local stream, err = ctx.http:stream("{url}" .. input.path, input.options)
        if not stream then ctx:fail("upstream", err) end
        assert(stream.status == 200 and stream.headers["x-note"] == "here")
        return stream
    end }}
"""


def plugin(url, version="1.0.0"):
    body = ACTION.format(name="pdf", url=url, media='{ media_type = "application/pdf" }')
    body += ACTION.format(name="anything", url=url, media="")
    body += f"""plugin:action "status" {{ input = {{ path = t.string }}, output = t.integer,
        run = function(ctx, input) return assert(ctx.http:get("{url}" .. input.path)).status end }}"""
    return e2e_plugins.plugin(body, name="files", version=version, needs=[f"http {url}"],
                              limits={"wall_ms": 1500, "concurrency": 16})


@pytest.fixture
def upstream():
    server = e2e_upstream.Upstream()
    yield server
    server.close()


@pytest.fixture
def host(start_host, folder, upstream):
    e2e_host.write(folder / "plugins" / "files" / "init.lua", plugin(upstream.url))
    return start_host(folder / "plugins", workers=1)


def ask(host, path, name="pdf", options=None, version="1.1", receive_buffer=None):
    """A socket on which the request was sent."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10 * e2e_host.SLOW)
    sock.connect(parse_address(host.listen))
    body = {"path": path, **({"options": options} if options else {})}
    sock.sendall(request_bytes("POST", f"/call/files.{name}", body)
                 .replace(b"HTTP/1.1", b"HTTP/" + version.encode()))
    return sock


def read_head(sock):
    """(head, the first of the body)"""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        assert piece, data
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode().lower(), rest


def read_all(sock, data=b""):
    """(bytes up to the end, whether the end was a reset)"""
    parts = [data]
    try:
        while piece := sock.recv(1 << 18):
            parts.append(piece)
    except ConnectionResetError:
        return b"".join(parts), True
    return b"".join(parts), False


def expected(n):
    return (e2e_upstream.PATTERN * (n // len(e2e_upstream.PATTERN) + 1))[:n]


def test_a_body_is_passed_on_whole_and_the_connection_goes_on(host):
    with Connection(host.listen) as connection:
        for path in ("/stream?n=300000", "/stream?n=300000&chunked=1", "/stream?n=0",
                     "/stream?n=1&chunked=1"):
            answer = connection.request("POST", "/call/files.pdf", {"path": path})
            n = int(path.split("n=")[1].split("&")[0])
            assert answer.status == 200 and answer.body == expected(n)
            assert answer.headers["content-type"] == PDF
            assert answer.headers["content-disposition"] == "attachment; filename=a.pdf"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["pinion-generation"].startswith("files@1.0.0#")
            assert len(answer.headers["pinion-trace-id"]) == 32
            if "chunked" in path:
                assert answer.headers["transfer-encoding"] == "chunked"
            else:
                assert answer.headers["content-length"] == str(n)


def test_http_1_0_gets_the_body_up_to_the_end_of_the_connection(host):
    with ask(host, "/stream?n=100000&chunked=1", version="1.0") as sock:
        head, rest = read_head(sock)
        assert "transfer-encoding" not in head and "content-length" not in head
        assert read_all(sock, rest) == (expected(100000), False)


def test_what_the_upstream_says_instead_is_an_error_of_the_call(host):
    for path, code in (("/status?code=404", "status"), ("/close", "closed"),
                       ("/garbage", "garbled"), ("/slow?ms=5000", "timeout"),
                       ("/stream?n=5&type=text/html", "media_type"),
                       ("/stream?n=2000000000", "too_large")):
        answer = host.request("POST", "/call/files.pdf",
                              {"path": path, "options": {"timeout_ms": 400}})
        assert answer.status == 502 and answer.json()["details"]["code"] == code, (path, answer)
    for status in (204, 205, 206, 304):
        answer = host.request("POST", "/call/files.anything", {"path": f"/status?code={status}"})
        assert answer.status == 502 and answer.json()["details"]["status"] == status, answer
    odd = host.request("POST", "/call/files.anything", {"path": "/odd-type"})
    assert odd.body == b"abc" and odd.headers["content-type"] == "application/octet-stream"
    assert "content-disposition" not in odd.headers
    answer = host.request("POST", "/call/files.anything", {"path": "/stream?n=5&type=text/html"})
    assert answer.body == expected(5) and answer.headers["content-type"] == "text/html"


@pytest.mark.limit(120)
def test_a_gigabyte_passes_a_slow_client_in_little_memory(host, upstream):
    n = 1 << 30
    host.request("POST", "/call/files.pdf", {"path": "/stream?n=3000000"})
    before, most, got = host.workers_rss(), 0, 0
    with ask(host, f"/stream?n={n}", receive_buffer=1 << 16) as sock:
        head, rest = read_head(sock)
        assert f"content-length: {n}" in head
        got = len(rest)
        time.sleep(1)  # it reads nothing, so nothing is read for it
        assert upstream.sent < 3000000 + (32 << 20)
        buffer = bytearray(1 << 20)
        for i in range(1 << 30):
            count = sock.recv_into(buffer)
            if not count:
                break
            got += count
            if i % 500 == 0:
                most = max(most, host.workers_rss())
                time.sleep(0.005)
            if got == n:
                break
    assert got == n
    assert e2e_host.IS_ASAN or most - before < 8 << 20, (before, most)


@pytest.mark.limit(60)
def test_many_streams_at_once_outlast_their_calls_time(host, upstream):
    """More than the plugin's concurrency, and for longer than wall_ms; and other requests pass them."""
    n, count = 1 << 20, 32
    path = f"/stream?n={n}&chunked=1&hang_ms={int(3000 * e2e_host.SLOW)}"
    socks = [ask(host, path, version="1.0", receive_buffer=1 << 14) for _ in range(count)]
    heads = [read_head(sock) for sock in socks]
    assert all("200 ok" in head for head, _ in heads)
    e2e_host.wait_until("all at once", lambda: upstream.running == count)
    answer = host.request("POST", "/call/files.pdf", {"path": "/stream?n=10"})
    assert answer.status == 502 and answer.json()["details"]["code"] == "too_many"
    assert host.request("POST", "/call/files.status", {"path": "/status?code=404"}).json() == 404
    time.sleep(1.6)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        bodies = pool.map(lambda i: read_all(socks[i], heads[i][1]), range(count))
        assert all(body == (expected(n), False) for body in bodies)
    for sock in socks:
        sock.close()
    assert e2e_host.IS_ASAN or host.workers_rss() < 60 << 20


def read_exactly(sock, data, n):
    parts, got = [data], len(data)
    while got < n and (piece := sock.recv(1 << 18)):
        parts.append(piece)
        got += len(piece)
    return b"".join(parts)


@pytest.mark.parametrize("path, options, code", [
    ("/stream?n=900000&cut=300000", {}, "closed"),
    ("/stream?n=900000&cut=300000&chunked=1", {}, "closed"),
    ("/stream?n=900000&chunked=1", {"max_bytes": 500000}, "too_large"),
    ("/stream?n=900000&cut=300000&hang_ms=5000", {"idle_ms": 300}, "idle"),
    ("/stream?n=900000&cut=300000&hang_ms=5000&chunked=1", {"idle_ms": 300}, "idle"),
])
def test_a_body_that_breaks_off_is_seen_to(host, path, options, code):
    mark = host.log_mark()
    with ask(host, path, options=options) as sock:
        _, rest = read_head(sock)
        data, reset = read_all(sock, rest)
        assert reset and not data.endswith(b"0\r\n\r\n") and len(data) < 900000
    line = host.wait_log(since=mark, msg="a stream was broken off", code=code)
    assert line["capability"] == "files.pdf"


def test_http_1_0_sees_a_break_as_well(host):
    with ask(host, "/stream?n=900000&cut=300000&chunked=1", version="1.0") as sock:
        _, rest = read_head(sock)
        assert read_all(sock, rest)[1]


def test_a_client_that_goes_away_ends_the_upstreams_work(host, upstream):
    for buffered in (False, True):
        sock = ask(host, "/stream?n=1000000000", receive_buffer=1 << 14)
        read_head(sock)
        e2e_host.wait_until("it runs", lambda: upstream.running == 1)
        if buffered:
            time.sleep(0.3)  # until all are waiting for the client
        sock.close()
        e2e_host.wait_until("it has ended", lambda: upstream.running == 0, timeout=5)
    assert upstream.sent < 200_000_000
    assert host.request("POST", "/call/files.pdf", {"path": "/stream?n=10"}).body == expected(10)


def test_a_client_that_left_before_the_head_came_is_no_harm(host, upstream):
    with ask(host, "/slow?ms=300"):
        e2e_host.wait_until("it is asked", lambda: upstream.running == 1)
    with ask(host, "/stream?n=50000000"):
        pass
    e2e_host.wait_until("all have ended", lambda: upstream.running == 0)
    assert host.request("POST", "/call/files.pdf", {"path": "/stream?n=10"}).body == expected(10)


def test_a_swap_breaks_no_stream(host, folder, upstream):
    n = 8 << 20
    with ask(host, f"/stream?n={n}", receive_buffer=1 << 14) as sock:
        head, rest = read_head(sock)
        assert "files@1.0.0#" in head
        host.save(folder / "plugins" / "files" / "init.lua", plugin(upstream.url, "1.0.1"),
                  "files@1.0.1#")
        answer = host.request("POST", "/call/files.pdf", {"path": "/stream?n=10"})
        assert answer.generation.startswith("files@1.0.1#") and answer.body == expected(10)
        assert read_exactly(sock, rest, n) == expected(n)


def test_a_stop_waits_for_what_streams(host):
    n = 8 << 20
    with ask(host, f"/stream?n={n}", receive_buffer=1 << 14) as sock:
        _, rest = read_head(sock)
        stopping = threading.Thread(target=host.stop)
        stopping.start()
        host.wait_log(msg="stopping")
        assert read_all(sock, rest) == (expected(n), False)
        stopping.join()


def test_what_a_stream_cannot_be_is_refused_when_it_is_defined(folder):
    for body, reason in (
        ('plugin:query "q" { output = t.stream, run = print }', "whole output of an action"),
        ('plugin:action "a" { output = { x = t.stream }, run = print }', "whole output of an action"),
        ('plugin:action "a" { input = t.stream, run = print }', "whole output of an action"),
        ('plugin:type "x" (t.stream) plugin:action "a" { run = print }',
         "whole output of an action"),
        ('plugin:action "a" { output = t.optional(t.stream), run = print }',
         "no constraint 'optional'"),
        ('plugin:action "a" { output = t.stream { media_type = "pdf" }, run = print }',
         "media_type must be one such as"),
        ('plugin:action "a" { expose = { "mcp" }, output = t.stream, run = print }',
         "cannot give a t.stream"),
    ):
        e2e_host.write(folder / "bad" / "init.lua", e2e_plugins.plugin(body, name="bad"))
        done = e2e_host.run("check", folder / "bad")
        assert done.returncode == 1 and reason in done.stdout + done.stderr, (body, done)


def test_only_what_was_opened_by_the_call_is_its_output(start_host, folder, upstream):
    body = f"""
    local kept
    plugin:action "odd" {{ input = {{ how = t.string }}, output = t.stream, run = function(ctx, input)
        if input.how == "table" then return {{ status = 200, headers = {{}} }} end
        if input.how == "nothing" then return nil end
        if input.how == "kept" then return kept end
        local first = ctx.http:stream("{upstream.url}/stream?n=10")
        if input.how == "keep" then kept = first return first end
        local second = ctx.http:stream("{upstream.url}/stream?n=20")
        return input.how == "first" and first or second
    end }}
    plugin:action "plain" {{ output = t.any, run = function(ctx)
        return ctx.http:stream("{upstream.url}/stream?n=10") end }}
    """
    e2e_host.write(folder / "plugins" / "odd" / "init.lua",
                   e2e_plugins.plugin(body, name="odd", needs=[f"http {upstream.url}"]))
    host = start_host(folder / "plugins", workers=1)
    host.request("POST", "/call/odd.odd", {"how": "keep"})
    for how in ("table", "nothing", "kept", "first"):
        answer = host.request("POST", "/call/odd.odd", {"how": how})
        assert answer.status == 500 and answer.json()["code"] == "contract_output", (how, answer)
    assert host.request("POST", "/call/odd.odd", {"how": "second"}).body == expected(20)
    answer = host.request("POST", "/call/odd.plain")
    assert answer.status == 500 and "does not declare output = t.stream" in answer.json()["detail"]
    e2e_host.wait_until("nothing is left open", lambda: upstream.running == 0)


def test_contracts_tell_of_streams(host):
    document = host.request("GET", "/openapi.json").json()
    for name, media_type in (("pdf", PDF), ("anything", "*/*")):
        answers = document["paths"][f"/call/files.{name}"]["post"]["responses"]["200"]
        assert answers["content"] == {media_type: {"schema": {"type": "string", "format": "binary"}}}
    client = host.request("GET", "/client.ts").body.decode()
    assert "export type FilesPdfOutput = Response;" in client and "stream: true" in client
