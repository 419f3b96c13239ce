"""ctx.http: actions that call other servers, good ones and hostile ones, and what ends them."""

import concurrent.futures
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import e2e_host
import e2e_plugins
import e2e_upstream
import pytest

BODY = """
plugin:action "run" {{ input = {{ method = t.optional(t.string), url = t.string,
        options = t.optional(t.any) }}, output = t.any,
    run = function(ctx, input)
        local o = input.options or {{}}
        o.url, o.method = input.url, input.method
        local res, err = ctx.http:request(o)
        if not res then return {{ err = err, generation = ctx.generation }} end
        return {{ status = res.status, headers = res.headers, length = #res.body,
            json = res:json(), text = #res.body < 2000 and res.body:match("^[ -~]*$") or nil,
            generation = ctx.generation }}
    end }}
plugin:query "alive" {{ output = t.boolean, run = function() return true end }}
"""
LIMITS = {"wall_ms": 10000, "concurrency": 300}


def plugin(*origins, version="1.0.0", limits=None):
    return e2e_plugins.plugin(BODY.format(), name="probe", version=version,
                              needs=[f"http {origin}" for origin in origins],
                              limits={**LIMITS, **(limits or {})})


@pytest.fixture
def upstream():
    server = e2e_upstream.Upstream()
    yield server
    server.close()


@pytest.fixture
def other():
    server = e2e_upstream.Upstream()
    yield server
    server.close()


@pytest.fixture
def start(start_host, folder):
    """start(origin…) gives a host with the probe."""
    def run(*origins, limits=None, workers=1, config=None, **options):
        path = folder / "plugins" / "probe" / "init.lua"
        e2e_host.write(path, plugin(*origins, limits=limits))
        return start_host(folder / "plugins", workers=workers, config=config, **options)
    return run


def call(host, url, method=None, **options):
    body = {"url": url, "options": options}
    if method:
        body["method"] = method
    return host.ok("probe.run", body)


def failure(host, url, method=None, **options):
    """(code, message) of a request that must fail."""
    answer = call(host, url, method, **options)
    assert "err" in answer, answer
    return answer["err"]["code"], answer["err"]["message"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_methods_headers_queries_and_json_go_both_ways(start, upstream):
    host = start(upstream.url)
    for method in ("GET", "DELETE", "OPTIONS"):
        got = call(host, f"{upstream.url}/a?b=1", method, query={"c d": "é&", "n": 2, "t": True},
                   headers={"X-Key": "v"})["json"]
        assert got["method"] == method and got["body"] == ""
        assert got["path"] == "/a?b=1&c%20d=%C3%A9%26&n=2&t=true"
        assert got["headers"]["x-key"] == "v" and "content-length" not in got["headers"]
    for method in ("POST", "PUT", "PATCH"):
        got = call(host, upstream.url, method, json={"n": 9007199254740993, "l": []})["json"]
        assert got["headers"]["content-type"] == "application/json"
        assert got["body"] in ('{"n":9007199254740993,"l":[]}', '{"l":[],"n":9007199254740993}')
        empty = call(host, upstream.url, method)["json"]
        assert empty["headers"]["content-length"] == "0" and "expect" not in empty["headers"]
    head = call(host, upstream.url, "HEAD")
    assert head["status"] == 200 and head["length"] == 0
    assert int(head["headers"]["content-length"]) > 0
    cookies = call(host, f"{upstream.url}/cookies")["headers"]
    assert cookies["set-cookie"] == "a=1; Expires=Sat, 31 Jan 2026 09:30:00 GMT\nb=2"
    assert cookies["x-list"] == "1, 2"
    missing = call(host, f"{upstream.url}/status?code=404")
    assert missing["status"] == 404 and "err" not in missing


def test_the_trace_goes_on_and_nothing_else_of_ours_is_told(start, upstream, monkeypatch, folder):
    """Proxies, .netrc and cookies of the environment are for others."""
    (folder / ".netrc").write_text("machine 127.0.0.1 login secret password secret\n")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(folder))
    host = start(upstream.url)
    trace = "0123456789abcdef0123456789abcdef"
    host.request("POST", "/call/probe.run", {"url": upstream.url},
                 [("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
    call(host, f"{upstream.url}/cookies")
    call(host, upstream.url)
    first, last = upstream.requests[0][2], upstream.requests[-1][2]
    version, same, span, flags = first["traceparent"].split("-")
    assert (version, same, flags) == ("00", trace, "01") and span != "00f067aa0ba902b7"
    assert first["User-Agent"].startswith("pinion/")
    for sent in (first, last):
        assert set(sent) <= {"Host", "User-Agent", "Accept", "traceparent", "Content-Type"}, sent


def test_slow_servers_are_given_up_in_time(start, upstream):
    host = start(upstream.url, limits={"wall_ms": 1500})
    for path in ("/slow?ms=5000", "/drip"):
        begun = time.monotonic()
        code, message = failure(host, upstream.url + path, timeout_ms=200)
        assert code == "timeout" and message.startswith(f"{upstream.url}: "), message
        assert 0.15 < time.monotonic() - begun < 1.2 * e2e_host.SLOW
    begun = time.monotonic()  # the call's own deadline, of which a little is left
    assert failure(host, f"{upstream.url}/slow?ms=5000", timeout_ms=60000)[0] == "timeout"
    assert time.monotonic() - begun < 1.5 * e2e_host.SLOW


def test_large_answers_are_refused_unless_they_were_asked_for(start, upstream):
    host = start(upstream.url, limits={"memory_mb": 64})
    assert failure(host, f"{upstream.url}/huge") == (
        "too_large", f"{upstream.url}: the answer has more than 1048576 bytes")
    assert failure(host, f"{upstream.url}/endless")[0] == "too_large"
    assert call(host, f"{upstream.url}/huge", max_bytes=5_000_000)["length"] == 4_000_000
    assert failure(host, f"{upstream.url}/endless", max_bytes=3_000_000)[0] == "too_large"


def test_answers_do_not_take_more_than_the_plugins_memory(start, upstream):
    host = start(upstream.url, limits={"memory_mb": 2})
    code, message = failure(host, f"{upstream.url}/huge", max_bytes=60_000_000)
    assert code == "too_large" and "more than 1048512 bytes" in message
    assert call(host, f"{upstream.url}/bytes?n=1048512", max_bytes=60_000_000)["length"] == 1048512
    answers = [running.result().json() for running in
               background(host, f"{upstream.url}/bytes?n=1000000&ms=300", 12)]
    assert all(answer.get("length") == 1_000_000 or "its memory" in answer["err"]["message"]
               for answer in answers), answers
    assert any("err" in answer for answer in answers), answers
    assert host.ok("probe.alive")


def test_redirects_are_followed_to_named_origins_only(start, upstream, other):
    host = start(upstream.url, other.url)
    there = f"{upstream.url}/redirect?to="
    assert call(host, f"{there}{other.url}/x")["status"] == 302
    assert not other.requests
    got = call(host, f"{there}{other.url}/x", redirects=1,
               headers={"Authorization": "secret", "X-Key": "v"})["json"]
    assert got["path"] == "/x" and got["headers"]["x-key"] == "v"
    assert "authorization" not in got["headers"]
    assert call(host, f"{upstream.url}/redirect?to=y", redirects=3,
                headers={"Authorization": "secret"})["json"]["headers"]["authorization"] == "secret"
    for target, code in (("http://evil.example/", "denied"), ("http://127.0.0.1:1/", "denied"),
                         (f"http://localhost:{other.port}/", "denied"),
                         (f"//user@127.0.0.1:{other.port}/", "garbled"),
                         ("file:///etc/passwd", "garbled")):
        got = failure(host, there + target, redirects=5)
        assert got[0] == code, (target, got)
    loop = f"{upstream.url}/redirect?to=/redirect%3Fto=x"
    assert call(host, loop, redirects=1)["status"] == 302
    assert call(host, f"{there}/z", "POST", redirects=1, json=1)["json"]["method"] == "GET"
    kept = call(host, f"{there}/z&code=307", "POST", redirects=1, json=1)["json"]
    assert kept["method"] == "POST" and kept["body"] == "1"


def test_a_name_cannot_lead_to_this_machine(start, upstream):
    """RFC 6761: every name beneath 'localhost' is this machine. As a DNS answer would be."""
    name = f"http://erp.localhost:{upstream.port}"
    host = start(name, f"http://localhost:{upstream.port}")
    code, message = failure(host, name)
    assert code == "denied" and "must not reach by a name" in message, message
    assert not upstream.requests
    assert call(host, f"http://localhost:{upstream.port}/")["status"] == 200


def test_the_admin_address_is_never_reached(start_host, folder, upstream):
    admin = free_port()
    origin = f"http://127.0.0.1:{admin}"
    e2e_host.write(folder / "plugins" / "probe" / "init.lua", plugin(origin, upstream.url))
    host = start_host(folder / "plugins", workers=1, arguments=["--admin", f"127.0.0.1:{admin}"])
    assert host.admin == f"127.0.0.1:{admin}"
    assert failure(host, f"{origin}/status")[0] == "denied"


def test_what_was_not_named_is_misuse(start, upstream, other):
    host = start(upstream.url)
    answer = host.call("probe.run", {"url": other.url})
    assert answer.status == 500
    assert f'add "http {other.url}" to the plugin\'s needs' in answer.json()["detail"]
    assert "probe/init.lua:" in answer.json()["detail"]
    assert not other.requests


def test_retries_are_counted(start, upstream):
    host = start(upstream.url)

    def flaky(key, n, method="GET", **options):
        for _ in range(3):  # so that the origin is not taken for a dead one
            call(host, upstream.url)
        got = call(host, f"{upstream.url}/flaky?key={key}&n={n}", method, **options)
        return got["status"], upstream.flaky[key]

    assert flaky("a", 2, retries=2) == (200, 3)
    assert flaky("b", 3, retries=2) == (503, 3)
    assert flaky("c", 1) == (503, 1)
    assert flaky("d", 1, "POST", retries=3, json=1) == (503, 1)
    assert flaky("e", 1, "POST", retries=3, json=1, headers={"Idempotency-Key": "k"}) == (200, 2)
    assert flaky("f", 1, "DELETE", retries=1) == (200, 2)
    begun = time.monotonic()
    got = call(host, f"{upstream.url}/flaky?key=g&n=1&retry_after=1", retries=1)
    assert got["status"] == 200 and time.monotonic() - begun > 0.99
    begun = time.monotonic()  # it asks for more time than there is
    got = call(host, f"{upstream.url}/flaky?key=h&n=1&retry_after=100", retries=1)
    assert got["status"] == 503 and time.monotonic() - begun < 1 * e2e_host.SLOW
    code, message = failure(host, f"{upstream.url}/close", retries=1)
    assert code == "closed", message
    # And once more where the first went over a connection that had been kept for reuse.
    assert sum(path == "/close" for _, path, _, _ in upstream.requests) in (2, 3)
    code, message = failure(host, f"{upstream.url}/close?post", "POST", json=1)
    assert code == "closed", message
    assert sum(path == "/close?post" for _, path, _, _ in upstream.requests) == 1


@pytest.mark.limit(40)
def test_an_origin_that_fails_is_left_alone_for_a_while(start, upstream):
    port = free_port()
    dead = f"http://127.0.0.1:{port}"
    host = start(dead, upstream.url)
    for _ in range(5):
        assert failure(host, dead)[0] == "refused"
    code, message = failure(host, dead)
    assert code == "circuit_open" and message.startswith(f"{dead}: it fails"), message
    line = host.wait_log(msg="an origin fails; it is not called for a while")
    assert (line["plugin"], line["origin"], line["failures_in_a_row"]) == ("probe", dead, 5)
    assert call(host, upstream.url)["status"] == 200  # others are not concerned
    time.sleep(1.1)
    assert failure(host, dead)[0] == "refused"  # the probe
    assert failure(host, dead)[0] == "circuit_open"
    alive = e2e_upstream.Server(("127.0.0.1", port), e2e_upstream.Handler)
    alive.upstream = upstream
    try:
        threading.Thread(target=alive.serve_forever, args=(0.02,), daemon=True).start()
        time.sleep(2.1)
        assert call(host, dead)["status"] == 200
        assert host.wait_log(msg="an origin answers again")["origin"] == dead
    finally:
        alive.shutdown()
        alive.server_close()


def test_tls_is_verified(start, folder):
    authority = e2e_upstream.make_authority(folder)
    good = e2e_upstream.Upstream(e2e_upstream.make_certificate(folder, authority, "IP:127.0.0.1"))
    named = e2e_upstream.Upstream(e2e_upstream.make_certificate(folder, authority, "DNS:erp.test"))
    strange_folder = folder / "strange"
    strange_folder.mkdir()
    strange = e2e_upstream.make_authority(strange_folder)
    unknown = e2e_upstream.Upstream(
        e2e_upstream.make_certificate(strange_folder, strange, "IP:127.0.0.1"))
    try:
        origins = (good.url, named.url, unknown.url)
        host = start(*origins, config={"http": {"ca_file": str(authority[0])}})
        assert call(host, good.url, "POST", json=[1])["json"]["body"] == "[1]"
        for server in (named, unknown):
            code, message = failure(host, server.url)
            assert code == "tls" and message.startswith(f"{server.url}: "), message
            assert not server.requests
        host.stop()
        host = start(*origins)  # without our own authority
        assert failure(host, good.url)[0] == "tls"
    finally:
        for server in (good, named, unknown):
            server.close()


@pytest.mark.parametrize("path, code", [
    ("/garbage", "garbled"), ("/headers", "too_large"), ("/interim", "too_large"),
    ("/close", "closed"), ("/short", "closed"), ("/two-lengths", None), ("/bomb", None),
    ("/transfer-bomb", None)])
def test_hostile_servers_hurt_nobody(start, upstream, path, code):
    """Where there is no code, several answers are sound; what matters is that it ends."""
    host = start(upstream.url, limits={"memory_mb": 8})
    got = call(host, upstream.url + path, timeout_ms=3000)
    if code:
        assert got["err"]["code"] == code, got
        assert got["err"]["message"].startswith(f"{upstream.url}: ")
    if path == "/bomb":  # it is what was sent: nothing is unpacked
        assert got["headers"]["content-encoding"] == "gzip" and got["length"] < 1_000_000
    assert host.ok("probe.alive")
    assert call(host, upstream.url)["status"] == 200
    assert host.workers_rss() < (400 if e2e_host.IS_ASAN else 60) * 1024 * 1024


def background(host, url, count=1, **options):
    pool = concurrent.futures.ThreadPoolExecutor(count)
    return [pool.submit(host.call, "probe.run", {"url": url, "options": options})
            for _ in range(count)]


def test_invariant_1_a_request_under_way_ends_on_its_generation(start, upstream, folder):
    host = start(upstream.url)
    running = background(host, f"{upstream.url}/slow?ms=700")[0]
    e2e_host.wait_until("the request", lambda: upstream.requests)
    host.save(folder / "plugins" / "probe" / "init.lua", plugin(upstream.url, version="1.0.1"),
              "probe@1.0.1#")
    assert not running.done()
    answer = running.result().json()
    assert answer["status"] == 200 and answer["generation"] == "probe@1.0.0#1"
    assert call(host, upstream.url)["generation"] == "probe@1.0.1#2"


def held_by(pid):
    """(descriptors, threads) of a process; connections that are kept for reuse do not count."""
    table = pathlib.Path(f"/proc/{pid}")
    return len(list((table / "fd").iterdir())), len(list((table / "task").iterdir()))


def test_invariant_9_nothing_of_a_drained_generation_remains(start, upstream, folder):
    host = start(upstream.url, "http://no-such-name.invalid")
    pid = host.worker_pids()[0]
    call(host, upstream.url)
    before = held_by(pid)
    for n in range(1, 6):
        running = background(host, f"{upstream.url}/slow?ms=300", 20)
        running += background(host, "http://no-such-name.invalid/", 2)
        host.save(folder / "plugins" / "probe" / "init.lua",
                  plugin(upstream.url, "http://no-such-name.invalid", version=f"1.0.{n}"),
                  f"probe@1.0.{n}#")
        for call_ in running:
            assert call_.result().status == 200
    upstream.close()  # what was kept for reuse ends
    upstream.closed = False

    def as_before():
        host.call("probe.run", {"url": upstream.url})
        now = held_by(pid)
        return now[1] == before[1] and now[0] <= before[0] + 20
    e2e_host.wait_until("threads and descriptors to go", as_before)
    host.stop()


def test_a_stop_ends_what_is_under_way(start, upstream):
    host = start(upstream.url, config={"drain_ms": 300}, limits={"wall_ms": 60000})
    running = background(host, f"{upstream.url}/slow?ms=20000", 20, timeout_ms=50000)
    e2e_host.wait_until("the requests", lambda: upstream.running == 20)
    begun = time.monotonic()
    host.stop()
    assert time.monotonic() - begun < 5 * e2e_host.SLOW
    for call_ in running:
        with pytest.raises(Exception):
            call_.result()


def test_a_caller_that_leaves_hurts_nobody(start, upstream):
    host = start(upstream.url)
    with host.connect() as c:
        body = b'{"url":"%s/slow?ms=300"}' % upstream.url.encode()
        c.send(b"POST /call/probe.run HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
               % (len(body), body))
        e2e_host.wait_until("the request", lambda: upstream.requests)
    e2e_host.wait_until("its end", lambda: upstream.running == 0)
    assert call(host, upstream.url)["status"] == 200


@pytest.mark.limit(60)
def test_200_actions_at_once_wait_in_turn_and_hold_up_nobody(start, upstream):
    host = start(upstream.url)
    running = background(host, f"{upstream.url}/slow?ms=200", 200)
    e2e_host.wait_until("many requests", lambda: upstream.running >= 40)
    worst = 0
    while not all(call_.done() for call_ in running):
        begun = time.monotonic()
        assert host.ok("probe.alive")
        worst = max(worst, time.monotonic() - begun)
    assert all(call_.result().json()["status"] == 200 for call_ in running)
    assert upstream.most <= 64  # of one worker
    assert worst < 1 * e2e_host.SLOW


def test_calling_out_can_be_switched_off(start_host, folder, upstream):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "probe" / "init.lua", plugin(upstream.url))
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(plugins, workers=1, config={"http": {"outgoing": False}})
    line = host.wait_log(level="error", where=lambda line: "calls nobody" in line.get("error", ""))
    assert "'probe' needs http" in line["error"] and "http.outgoing" in line["error"]
    assert host.ok("shop.value") == {"value": 1}
    worker = host.status()["security"][0]
    said = {p["protection"]: p for p in worker["protections"]}
    assert said["network"]["in_force"] == said["seccomp"]["in_force"]


def test_settings_are_checked(folder):
    for text, problem in (('{"http": {"outgoing": 1}}', "'http.outgoing' must be true or false"),
                          ('{"http": {"ca_file": 1}}', "'http.ca_file' must be a path"),
                          ('{"http": {"proxy": 1}}', "there is no setting 'http.proxy'")):
        (folder / "pinion.json").write_text(text)
        result = e2e_host.run("serve", "--config", folder / "pinion.json")
        assert result.returncode == 2 and problem in result.stderr, result.stderr


@pytest.mark.parametrize("need, problem", [
    ("http", "'http' names an origin"),
    ("http *", "it must begin with http:// or https://"),
    ("http https://*.example.com", "wildcards are not allowed"),
    ("http https://example.com/path", "an origin has no path"),
    ("http https://user:pw@example.com", "no place for a user"),
    ("http http://2130706433", "four decimal parts"),
    ("http ftp://example.com", "must begin with http://")])
def test_needs_are_checked_when_they_are_loaded(folder, need, problem):
    text = plugin("https://example.com").replace("http https://example.com", need)
    e2e_host.write(folder / "probe" / "init.lua", text)
    result = e2e_host.run("check", folder / "probe")
    assert result.returncode == 1
    assert problem in result.stdout + result.stderr
    assert "probe/init.lua:" in result.stdout + result.stderr


H2_SERVER = """
const [key, cert] = process.argv.slice(1).map(f => require('fs').readFileSync(f));
let sessions = 0, running = 0, most = 0;
const server = require('http2').createSecureServer({ key, cert });
server.on('session', () => sessions++);
server.on('request', (request, response) => {
    most = Math.max(most, ++running);
    setTimeout(() => { running--; response.end(JSON.stringify(
        { version: request.httpVersion, sessions, most })); }, 100);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js, whose server speaks HTTP/2")
def test_http_2_is_spoken_over_tls_on_one_connection(start, folder):
    authority = e2e_upstream.make_authority(folder)
    certificate, key = e2e_upstream.make_certificate(folder, authority, "IP:127.0.0.1")
    with subprocess.Popen(["node", "-e", H2_SERVER, key, certificate], stdout=subprocess.PIPE,
                          text=True) as node:
        try:
            url = f"https://127.0.0.1:{int(node.stdout.readline())}"
            host = start(url, config={"http": {"ca_file": str(authority[0])}})
            assert call(host, url)["json"]["version"] == "2.0"
            for running in background(host, url, 20):
                assert running.result().json()["status"] == 200
            told = call(host, url)["json"]
            assert told["sessions"] == 1 and told["most"] > 1, told
        finally:
            node.kill()
