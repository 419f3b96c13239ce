"""The redis binding, against real servers that the tests start."""

import concurrent.futures
import os
import signal
import subprocess
import time

import e2e_host
import pytest
from e2e_redis import BINDING, MISSING, Server, code_of, free_port, lua, shop, starter

pytestmark = pytest.mark.skipif(MISSING, reason="no redis-server, or no hiredis")


@pytest.fixture(name="server")
def fixture_server(folder):
    server = Server(folder).start()
    yield server
    server.kill()


@pytest.fixture(name="start")
def fixture_start(folder, start_host):
    return starter(folder, start_host)


def test_values_hashes_lists_and_streams(start, server):
    host = start(f"unix:{server.socket}")
    assert lua(host, "return { ctx.redis:set('k', 'v'), ctx.redis:get('k'), ctx.redis:get('none') == nil }") \
        == [True, "v", True]
    assert host.ok("shop.get", {"key": "k"}) == "v"
    assert lua(host, "return { ctx.redis:set('k', 'w', { nx = true }), ctx.redis:set('n', 'w', { nx = true }), "
                     "ctx.redis:set('m', 'w', { xx = true }), ctx.redis:set('t', '1', { ttl_ms = 60000 }) }") \
        == [False, True, False, True]
    assert 50000 < lua(host, "return ctx.redis:ttl('t')") <= 60000
    assert lua(host, "return { ctx.redis:incr('i'), ctx.redis:incr('i', 41), ctx.redis:del({ 'i', 'x' }), "
                     "ctx.redis:exists({ 'k', 'x' }), ctx.redis:expire('k', 1000) }") == [1, 42, 1, 1, 1]
    assert lua(host, "return { ctx.redis:hset('h', { a = '1', b = '2' }), ctx.redis:hget('h', 'a'), "
                     "ctx.redis:hgetall('h'), ctx.redis:hdel('h', { 'a' }), ctx.redis:hgetall('none') }") \
        == [2, "1", {"a": "1", "b": "2"}, 1, {}]
    assert lua(host, "return { ctx.redis:rpush('l', { 'b', 'c' }), ctx.redis:lpush('l', { 'a' }), "
                     "ctx.redis:lrange('l', 0, -1), ctx.redis:lpop('l'), ctx.redis:rpop('l'), ctx.redis:llen('l') }") \
        == [2, 3, ["a", "b", "c"], "a", "c", 1]
    first = lua(host, "return ctx.redis:xadd('s', { a = '1' })")
    second = lua(host, "return ctx.redis:xadd('s', { b = '2' }, 1000)")
    entries = [{"id": first, "fields": {"a": "1"}}, {"id": second, "fields": {"b": "2"}}]
    assert lua(host, "return ctx.redis:xrange('s')") == entries
    assert lua(host, "return ctx.redis:xrange('s', nil, nil, 1)") == entries[:1]
    assert lua(host, f"return ctx.redis:xread('s', '{first}')") == entries[1:]
    assert lua(host, f"return ctx.redis:xread('s', '{second}')") == []
    assert lua(host, "return ctx.redis:xgroup('s', 'g', '0')") is True
    assert lua(host, "return ctx.redis:xreadgroup('s', 'g', 'me', 10)") == entries
    assert lua(host, f"return ctx.redis:xack('s', 'g', {{ '{first}', '{second}' }})") == 2
    assert code_of(host, "lpop('k')") == "wrongtype"


def test_hostile_values_come_back_as_they_went(start, server):
    host = start(f"unix:{server.socket}")
    assert lua(host, "local v = '\\0\\xff\\r\\n$5\\r\\n' .. string.rep('x', 1 << 20) ctx.redis:set('k', v) "
                     "return ctx.redis:get('k') == v") is True
    assert lua(host, "ctx.redis:set('', '') return ctx.redis:get('')") == ""
    answer = host.call("shop.act", {"code": "ctx.redis:get('\\xff')"})
    assert "argument 1 (key): the string is not UTF-8" in answer.body.decode()


def test_a_server_that_was_killed_is_found_again(start, server):
    host = start(f"unix:{server.socket}")
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    server.kill()
    assert code_of(host, "get('k')") in ("closed", "refused")
    since = 0
    server.start()
    e2e_host.wait_until("redis again", lambda: lua(host, "return ctx.redis:set('k', 'v')") is True)
    host.wait_log(since=since, msg="redis answers again")


def test_a_server_that_is_not_there_is_an_error(start, folder):
    host = start(f"unix:{folder}/nothing.sock")
    assert code_of(host, "get('k')") == "refused"
    port = free_port()
    host = start(f"redis://127.0.0.1:{port}")
    assert code_of(host, "get('k')") == "refused"


def test_a_server_that_stands_still_is_given_up_in_time(start, server):
    host = start(f"unix:{server.socket}", timeout_ms=300)
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    os.kill(server.process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    assert code_of(host, "get('k')") == "timeout"
    assert 0.3 <= time.monotonic() - begun < 3 * e2e_host.SLOW
    assert code_of(host, "get('k')") == "timeout"
    os.kill(server.process.pid, signal.SIGCONT)
    e2e_host.wait_until("redis again", lambda: lua(host, "return ctx.redis:get('k')") == "v")


def test_the_calls_deadline_comes_first(start, server):
    host = start(f"unix:{server.socket}", wall_ms=400, timeout_ms=60000)
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    os.kill(server.process.pid, signal.SIGSTOP)
    assert code_of(host, "get('k')") == "timeout"
    answer = host.call("shop.act", {"code": "while true do ctx.redis:get('k') end"})
    assert (answer.status, answer.json()["code"]) == (504, "deadline")
    os.kill(server.process.pid, signal.SIGCONT)
    e2e_host.wait_until("redis again", lambda: lua(host, "return ctx.redis:get('k')") == "v")


def test_more_requests_than_may_wait_are_refused(start, server):
    host = start(f"unix:{server.socket}", requests=2, timeout_ms=1000)
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    os.kill(server.process.pid, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: code_of(host, "get('k')"), range(6)))
    assert codes.count("too_many") == 4 and codes.count("timeout") == 2, codes


def test_calls_share_the_connection(start, server):
    host = start(f"unix:{server.socket}", workers=2)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: lua(host, "for _ = 1, 50 do ctx.redis:incr('n') end return 1"), range(16)))
    assert lua(host, "return ctx.redis:get('n')") == "800"


def test_password_and_database_are_those_of_the_url(start, folder):
    port = free_port()
    server = Server(folder, port, ["--requirepass", "hush/hush"]).start()
    try:
        host = start(f"redis://:hush%2Fhush@localhost:{port}/3")
        assert lua(host, "return ctx.redis:set('k', 'v')") is True
        keys = subprocess.run(["redis-cli", "-s", str(server.socket), "-a", "hush/hush", "-n", "3", "--no-auth-warning",
                               "keys", "*"], capture_output=True, text=True, timeout=10, check=True)
        assert keys.stdout == "k\n"
        wrong = start(f"redis://:wrongword@127.0.0.1:{port}")
        assert code_of(wrong, "get('k')") == "auth"
        for log in (host.log_text(0), wrong.log_text(0)):
            assert "hush" not in log and "wrongword" not in log
    finally:
        server.kill()


def test_messages_are_received(start, server):
    host = start(f"unix:{server.socket}")
    assert lua(host, "return ctx.redis:receive('c', 10) == nil") is True
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('c', 'one')") == 1)
    assert lua(host, "ctx.redis:publish('c', 'two') "
                     "return { ctx.redis:receive('c', 1000), ctx.redis:receive('c', 1000) }") == ["one", "two"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(lua, host, "return ctx.redis:receive('c', 5000)")
        time.sleep(0.1)
        lua(host, "return ctx.redis:publish('c', '\\0three')")
        assert waits.result() == "\0three"


def test_messages_that_nobody_receives_are_bounded(start, server):
    host = start(f"unix:{server.socket}", messages=10)
    lua(host, "return ctx.redis:receive('c', 10) == nil")
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('c', '0')") == 1)
    assert lua(host, "for n = 1, 100 do ctx.redis:publish('c', '' .. n) end return ctx.redis:receive('c', 100)") \
        in ("90", "91")
    host.wait_log(since=0, msg="messages come faster than they are received")


def test_a_subscription_outlives_its_server(start, server):
    host = start(f"unix:{server.socket}")
    lua(host, "return ctx.redis:receive('c', 10) == nil")
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('c', '0')") == 1)
    lua(host, "return ctx.redis:llen('none')")  # the server answers before it sends messages, but not before the last ones
    server.kill()
    server.start()
    e2e_host.wait_until("the subscription", lambda: lua(host, "return (ctx.redis:publish('c', '1'))") == 1)
    assert lua(host, "return { ctx.redis:receive('c', 1000), ctx.redis:receive('c', 1000) }") == ["0", "1"]


def test_a_swap_while_calls_wait_loses_none(start, server, folder):
    host = start(f"unix:{server.socket}")
    lua(host, "return ctx.redis:receive('c', 10) == nil")
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('c', 'x')") == 1)
    lua(host, "return ctx.redis:receive('c', 100)")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(lua, host, "return ctx.redis:receive('c', 8000)") for _ in range(4)]
        time.sleep(0.2)
        host.save(folder / "plugins" / "shop" / "init.lua", shop("1.0.1", wall_ms=10000), "shop@1.0.1#")
        assert host.ok("shop.version") == "1.0.1"
        for n in range(4):
            lua(host, f"return ctx.redis:publish('c', '{n}')")
        assert sorted(w.result() for w in waits) == ["0", "1", "2", "3"]


def test_settings_that_are_wrong_keep_the_host_from_starting(folder):
    for config, reason in (
            ({}, "'url' is missing"),
            ({"url": "http://x"}, "it is redis://"),
            ({"url": "redis://x:0"}, "the port is from 1 to 65535"),
            ({"url": "redis://secret@x"}, "before '@' stands USER:PASSWORD"),
            ({"url": "redis://secret:@x"}, "before '@' stands USER:PASSWORD"),
            ({"url": "unix:relative"}, "absolute path"),
            ({"url": "redis://x", "timeout_ms": 0}, "'timeout_ms' is from 1 to 60000"),
            ({"url": "redis://x", "idle_ms": 0}, "'idle_ms' is from 1 to 3600000"),
            ({"url": "redis://x", "color": 1}, "its settings are")):
        path = folder / "pinion.json"
        path.write_text(e2e_host.json.dumps({"bindings": {"redis": {"path": str(BINDING), "config": config}}}))
        told = e2e_host.run("serve", "--config", path, "--data", folder / "data", "--listen", "127.0.0.1:0")
        assert told.returncode == 1 and reason in told.stderr, told.stderr
        assert "secret" not in told.stderr
