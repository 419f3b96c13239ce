"""The redis binding and servers that are slow, silent, full, moved or unwilling: what fails is the call that has to."""

import concurrent.futures
import os
import signal
import subprocess
import time

import e2e_host
import pytest
from e2e_redis import MISSING, Fake, Server, code_of, free_port, lua, starter
from test_native_bindings import BAD, RIGHT, compile_binding

pytestmark = pytest.mark.skipif(MISSING, reason="no redis-server, or no hiredis")


@pytest.fixture(name="start")
def fixture_start(folder, start_host):
    return starter(folder, start_host)


@pytest.fixture(name="serve")
def fixture_serve(folder):
    """serve(arguments, …) is a real server."""
    servers = []

    def serve(*arguments, port=0):
        servers.append(Server(folder, port, arguments))
        return servers[-1].start()
    yield serve
    for server in servers:
        server.kill()


@pytest.fixture(name="fake")
def fixture_fake():
    fakes = []

    def fake(answer, **options):
        fakes.append(Fake(answer, **options))
        return fakes[-1]
    yield fake
    for one in fakes:
        one.close()


def good(words, _=1):
    """What a server without faults says, as far as it is needed here."""
    if words[0] == "SUBSCRIBE":
        return b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (len(words[1]), words[1].encode())
    return b"$1\r\nv\r\n" if words[0] == "GET" else b"+OK\r\n"


def after(seconds, key):
    """As `good`, but for that key."""
    def answer(words, _):
        time.sleep(seconds if key in words else 0)
        return good(words)
    return answer


# ---- connections that all share


def test_a_call_in_a_hurry_leaves_the_others_their_connection(start, fake):
    server = fake(after(0.6 * e2e_host.SLOW, "slow"))
    host = start(f"redis://127.0.0.1:{server.port}", wall_ms=400)
    assert code_of(host, "get('slow')") == "timeout"
    e2e_host.wait_until("the answer", lambda: host.call(
        "shop.act", {"code": "local v, err = ctx.redis:get('k') return v or err.code"}).json() == "v")
    assert server.connections == 1
    assert not host.log(0, msg="redis does not answer")


def test_a_loop_that_stood_still_looks_before_it_gives_up(start, fake, folder):
    shared = compile_binding(folder, "#include <unistd.h>\n" + BAD.format(**{**RIGHT, "run": """
        const struct pinion_host *h = i; int64_t until = h->now(h) + 1200; while (h->now(h) < until) usleep(10000);
        h->push_nil(call); h->finish(call);"""}), "stall")
    server = fake(after(1, "slow"))
    host = start(f"redis://127.0.0.1:{server.port}", timeout_ms=800, others={"stall": {"path": str(shared)}})
    assert lua(host, "return ctx.redis:get('k')") == "v"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        slow = pool.submit(lua, host, "ctx.redis:get('slow') return 1")
        e2e_host.wait_until("the request", lambda: ["GET", "slow"] in server.seen)
        lua(host, "ctx.stall:f() return 1")
        assert slow.result() == 1
    assert lua(host, "return ctx.redis:get('k')") == "v"
    assert server.connections == 1


def test_requests_that_were_given_up_count_until_they_are_answered(start, serve):
    server = serve()
    host = start(f"unix:{server.socket}", requests=2, wall_ms=300, timeout_ms=60000)
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    os.kill(server.process.pid, signal.SIGSTOP)
    codes = [code_of(host, "get('k')") for _ in range(3)]
    os.kill(server.process.pid, signal.SIGCONT)
    assert codes == ["timeout", "timeout", "too_many"]
    e2e_host.wait_until("redis again", lambda: lua(host, "return ctx.redis:get('k') or ''") == "v")


def test_requests_that_were_given_up_end_with_a_connection_that_is_silent(start, serve):
    server = serve()
    host = start(f"unix:{server.socket}", requests=2, wall_ms=300, timeout_ms=int(1300 * e2e_host.SLOW))
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    os.kill(server.process.pid, signal.SIGSTOP)
    assert [code_of(host, "get('k')") for _ in range(3)][2] == "too_many"
    host.wait_log(since=0, msg="redis does not answer")
    assert code_of(host, "get('k')") == "timeout"
    os.kill(server.process.pid, signal.SIGCONT)


def test_what_a_server_does_not_take_is_bounded(start, serve):
    server = serve()
    host = start(f"unix:{server.socket}", wall_ms=1000, timeout_ms=60000)
    assert lua(host, "return ctx.redis:set('k', 'v')") is True
    os.kill(server.process.pid, signal.SIGSTOP)
    push = """local x, list = string.rep('x', 1 << 20), {} for i = 1, 50 do list[i] = x end
              local _, err = ctx.redis:rpush('l', list) return err.code"""
    codes = [lua(host, push) for _ in range(3)]
    os.kill(server.process.pid, signal.SIGCONT)
    assert codes == ["timeout", "timeout", "too_many"]


def test_a_connection_is_probed_while_it_is_quiet(start, serve):
    server = serve(port=free_port())
    host = start(f"redis://127.0.0.1:{server.port}")
    assert lua(host, "return ctx.redis:receive('c', 10) == nil and ctx.redis:set('k', 'v')") is True
    with open("/proc/net/tcp") as lines:
        timers = [fields[5] for fields in map(str.split, lines)
                  if fields[2] == f"0100007F:{server.port:04X}" and fields[3] == "01"]
    assert len(timers) == 2 and all(t.startswith("02:") for t in timers), timers  # 2: keepalive


def test_a_server_that_lets_in_and_closes_is_not_hammered(start, fake):
    server = fake(lambda words, _: words[0] != "SUBSCRIBE" and good(words))
    host = start(f"redis://127.0.0.1:{server.port}")
    assert code_of(host, "receive('c', 5000)") == "closed"
    time.sleep(1)
    assert 2 <= server.connections <= 7
    assert len(host.log(0, msg="redis closed the connection: Server closed the connection")) == 1
    assert not host.log(0, msg="redis answers again")


# ---- logging in


@pytest.mark.parametrize("error", ["MISCONF cannot save", "MASTERDOWN no primary", "NOPERM no ping"])
def test_a_server_that_refuses_a_ping_can_still_be_used(start, fake, error):
    server = fake(lambda words, _: f"-{error}\r\n".encode() if words[0] == "PING" else good(words))
    host = start(f"redis://127.0.0.1:{server.port}")
    assert lua(host, "return ctx.redis:get('k')") == "v"


@pytest.mark.parametrize("step, error, code", [
    ("PING", "LOADING its data", "loading"), ("PING", "NOAUTH who is it", "auth"), ("SELECT", "NOAUTH who is it", "auth"),
    ("SELECT", "ERR no such database", "err"), ("AUTH", "WRONGPASS no", "auth"), ("AUTH", "ERR no password is set", "auth")])
def test_a_login_that_is_refused_says_why(start, fake, step, error, code):
    server = fake(lambda words, _: f"-{error}\r\n".encode() if words[0] == step else good(words))
    host = start(f"redis://:word@127.0.0.1:{server.port}/3")
    assert code_of(host, "get('k')") == code
    assert error in host.wait_log(since=0, binding="redis")["msg"]


# ---- names

LOOKUPS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
/* Look-up number n of "redis.test" finds what stands in place n of LOOKUPS, "a,b c"; the last one stays. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    static int count;
    look_up *real = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, "redis.test") != 0) return real(name, service, hints, list);
    char *all = strdup(getenv("LOOKUPS")), *outer, *inner, *found = strtok_r(all, " ", &outer), *more;
    for (int i = 0; i < count && (more = strtok_r(NULL, " ", &outer)); i++) found = more;
    count++;
    struct addrinfo **at = list;
    for (char *a = strtok_r(found, ",", &inner); a; a = strtok_r(NULL, ",", &inner)) {
        if (real(a, service, hints, at) != 0) return EAI_NONAME;
        while (*at) at = &(*at)->ai_next;
    }
    free(all);
    return 0;
}
"""


@pytest.fixture(name="lookups")
def fixture_lookups(folder, monkeypatch):
    def lookups(found):
        monkeypatch.setenv("LOOKUPS", found)
        monkeypatch.setenv("LD_PRELOAD", str(compile_binding(folder, LOOKUPS, "lookups")))
    return lookups


def test_each_address_of_a_name_is_tried(start, fake, lookups):
    server = fake(good)
    lookups("127.0.0.8,127.0.0.9,127.0.0.1")
    host = start(f"redis://redis.test:{server.port}")
    assert lua(host, "return ctx.redis:get('k')") == "v"
    assert not host.log(0, binding="redis")


def test_a_server_that_has_moved_is_found(start, fake, lookups):
    there = fake(good)
    gone = fake(lambda words, number: number == 1 and "moved" not in words and good(words), host="127.0.0.2", port=there.port)
    lookups("127.0.0.2 127.0.0.1")
    host = start(f"redis://redis.test:{there.port}")
    assert lua(host, "return ctx.redis:get('k')") == "v"
    assert there.connections == 0 and gone.connections == 1
    assert code_of(host, "get('moved')") == "closed"  # from here on that one lets nobody in
    e2e_host.wait_until("the other", lambda: lua(host, "return ctx.redis:get('k') or ''") == "v")
    assert there.connections == 1


# ---- subscriptions


def connections_of(server):
    told = subprocess.run(["redis-cli", "-s", str(server.socket), "info", "stats"], capture_output=True, text=True,
                          timeout=10, check=True).stdout
    return int(told.split("total_connections_received:")[1].split()[0])


def test_a_channel_that_is_refused_leaves_the_others(start, serve):
    server = serve("--user", "default", "on", "nopass", "~*", "+@all", "resetchannels", "&open", "&other")
    host = start(f"unix:{server.socket}")
    lua(host, "return ctx.redis:receive('open', 10) == nil")
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('open', '0')") == 1)
    assert lua(host, "return ctx.redis:receive('open', 1000)") == "0"
    before = connections_of(server)
    for _ in range(5):
        assert code_of(host, "receive('secret', 5000)") == "noperm"
        assert lua(host, "return ctx.redis:receive('other', 10) == nil") is True
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('open', '1')") == 1)
    assert lua(host, "return ctx.redis:receive('open', 1000)") == "1"
    assert connections_of(server) - before == 2  # one of redis-cli


def test_a_refused_channel_is_asked_again_later(start, serve):
    server = serve("--user", "default", "on", "nopass", "~*", "+@all", "resetchannels")
    host = start(f"unix:{server.socket}", idle_ms=300)
    assert code_of(host, "receive('c', 5000)") == "noperm"
    subprocess.run(["redis-cli", "-s", str(server.socket), "acl", "setuser", "default", "allchannels"], check=True, timeout=10,
                   stdout=subprocess.DEVNULL)
    e2e_host.wait_until("the subscription", lambda: lua(
        host, "local _, err = ctx.redis:receive('c', 10) return err == nil and ctx.redis:publish('c', 'x') == 1"))
    assert lua(host, "return ctx.redis:receive('c', 1000)") == "x"


def test_a_subscription_in_use_stays_and_ends_when_nobody_asks(start, serve):
    server = serve()
    idle = 1.0 * e2e_host.SLOW
    host = start(f"unix:{server.socket}", idle_ms=int(idle * 1000))
    lua(host, "return ctx.redis:receive('c', 10) == nil")
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('c', '0')") == 1)
    lua(host, "for n = 1, 3 do ctx.redis:publish('c', '' .. n) end return 1")
    for n in range(3):
        assert lua(host, "return ctx.redis:receive('c', 0)") == str(n)
        time.sleep(idle * 0.4)
    assert lua(host, "return ctx.redis:receive('c', 0)") == "3"
    assert lua(host, "return ctx.redis:publish('c', 'x')") == 1
    e2e_host.wait_until("its end", lambda: lua(host, "return ctx.redis:publish('c', 'x')") == 0)


def test_a_message_that_is_too_large_is_dropped(start, serve):
    server = serve()
    host = start(f"unix:{server.socket}")
    lua(host, "return ctx.redis:receive('c', 10) == nil")
    e2e_host.wait_until("the subscription", lambda: lua(host, "return ctx.redis:publish('c', '0')") == 1)
    assert lua(host, "ctx.redis:receive('c', 1000) "
                     "for n = 1, 2 do ctx.redis:publish('c', string.rep('x', (1 << 20) + 1)) end "
                     "ctx.redis:publish('c', string.rep('x', 1 << 20)) "
                     "return #ctx.redis:receive('c', 1000)") == 1 << 20
    assert len(host.log(0, msg="a message that is too large was dropped")) == 1
