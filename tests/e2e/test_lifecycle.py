"""A host's life: start and its refusals, SIGTERM and the drain, SIGHUP, SIGKILL and the next
start."""

import fcntl
import json
import os
import re
import signal
import socket
import threading
import time

import e2e_host
import e2e_http
import e2e_load
import e2e_plugins
import pytest
from e2e_http import request_bytes


@pytest.fixture
def plugins(folder):
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    return folder / "plugins"


GREETING = b'{"name":"Ada"}'


# ---- SIGTERM

def test_a_request_under_way_is_answered_after_sigterm(start_host):
    host = start_host(e2e_host.PLUGINS / "greeter", workers=1)
    with host.connect() as c:
        c.send(b"POST /greet HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + GREETING[:7])
        time.sleep(0.1)
        host.process.send_signal(signal.SIGTERM)
        host.wait_log(msg="stopping")
        time.sleep(0.2)
        c.send(GREETING[7:])
        answer = c.answer()
        assert (answer.status, answer.json()) == (200, {"greeting": "Hello, Ada!"})
        assert answer.headers["connection"] == "close"
        assert c.is_closed()
    host.ended()


def test_idle_connections_are_closed_and_new_ones_refused(start_host):
    host = start_host(e2e_host.PLUGINS / "greeter")
    connections = [host.connect() for _ in range(10)]
    for c in connections:
        assert c.request("POST", "/greet", {"name": "A"}).status == 200
    begun = time.monotonic()
    host.stop()
    assert time.monotonic() - begun < 2 * e2e_host.SLOW
    for c in connections:
        assert c.is_closed()
        c.close()
    with pytest.raises(ConnectionRefusedError):
        host.connect()


def test_the_drain_has_a_deadline(start_host):
    host = start_host(e2e_host.PLUGINS / "greeter", config={"drain_ms": 500})
    with host.connect() as c:
        c.send(b"POST /greet HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + GREETING[:7])
        time.sleep(0.1)
        begun = time.monotonic()
        host.stop()
        took = time.monotonic() - begun
    assert 0.4 < took < 3 * e2e_host.SLOW
    assert host.log(msg="stopping before everything was answered")


def test_a_second_sigterm_hurries(start_host):
    host = start_host(e2e_host.PLUGINS / "greeter")
    with host.connect() as c:
        c.send(b"POST /greet HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + GREETING[:7])
        time.sleep(0.1)
        host.process.send_signal(signal.SIGTERM)
        host.wait_log(msg="stopping")
        begun = time.monotonic()
        host.stop()
        assert time.monotonic() - begun < 3 * e2e_host.SLOW


def test_no_answer_is_lost_in_a_drain_under_load(start_host):
    """Every connection ends with a whole answer: closed between two requests, never within one."""
    host = start_host(e2e_host.PLUGINS)
    request = request_bytes("POST", "/orders",
        {"user_id": 1, "sku": "x", "qty": 1, "price_cents": 1})
    load = e2e_load.Load(host.listen, lambda _: request, lambda a, _: None
        if a.status == 200 else f"{a}", connections=16)
    last = []
    load.check = lambda a, _: last.append(a) if a.status == 200 else f"{a}"
    with load:
        load.wait_for(200)
        host.stop()
    count = len(last)
    # A request sent while the connection was being closed may go unanswered, but then it was not
    # run either.
    host.start()
    rows = 0
    target = "/users/1/orders?limit=100"
    while target:
        page = host.request("GET", target).json()
        rows += len(page["orders"])
        target = f"/users/1/orders?limit=100&before={page['next']}" if page["next"] else None
    assert rows == count
    assert all("Reset" not in failure
        for failure in load.failures) or e2e_host.IS_ASAN, load.failures


def test_sigint_is_like_sigterm(plugins, start_host):
    host = start_host(plugins)
    host.process.send_signal(signal.SIGINT)
    host.ended()


def test_nothing_is_left_behind(plugins, start_host):
    host = start_host(plugins)
    pids = host.pids()
    host.stop()
    assert not any(e2e_host.is_alive(pid) for pid in pids)
    assert not (host.data / "run" / "host.json").exists()
    assert [p.name for p in (host.data / "run").glob("*.sock")] == []
    assert list((host.data / "tmp").glob("*")) == [] if (host.data / "tmp").exists() else True


# ---- SIGKILL

def test_sigkill_takes_the_children_along_and_the_next_start_works_at_once(plugins, start_host):
    host = start_host(plugins, mode="serve",
        arguments=["--admin", "unix:" + str(plugins.parent / "admin.sock")])
    for _ in range(3):
        host.kill()  # waits for the children's end
        host.start(wait=True)
        assert host.ok("shop.value") == {"value": 1}


def try_lock(run):
    fd = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def test_the_next_start_waits_for_the_processes_that_a_killed_host_left(plugins, start_host):
    host = start_host(plugins, mode="serve")
    run = host.data / "run"
    assert try_lock(run) is None
    worker = host.worker_pids()[0]
    os.kill(worker, signal.SIGSTOP)
    host.kill()
    rest = e2e_host.wait_until("the end of the last process", lambda: try_lock(run))
    host.start(wait=False)  # as if one of them were still writing
    time.sleep(0.3)
    assert host.process.poll() is None and host.host_file() is None
    os.close(rest)
    host.wait_ready()
    assert host.ok("shop.value") == {"value": 1}


def test_a_host_that_is_killed_again_and_again_starts_at_once(plugins, start_host):
    """Its processes have not ended when the next one starts."""
    host = start_host(plugins, mode="serve", workers=3)
    for _ in range(20):
        host.process.kill()
        host.process.wait()
        host.start(wait=True)
    assert host.ok("shop.value") == {"value": 1}


# ---- start and its refusals

def refused(*arguments, code=1):
    result = e2e_host.run(*arguments)
    assert result.returncode == code, (result.returncode, result.stderr)
    return result.stderr


def serve(folder, *arguments):
    return ("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data",
        folder / "other", *arguments)


def test_a_port_in_use_is_told(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for option in ("--listen", "--admin"):
            message = refused(*serve(folder, option, address))
            assert address in message and "in use" in message


def test_a_data_directory_in_use_is_told(plugins, start_host):
    host = start_host(plugins)
    message = refused("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data",
        host.data)
    assert "is in use by another host" in message and str(host.data) in message
    assert host.ok("shop.value") == {"value": 1}
    assert json.loads((host.data / "run" / "host.json").read_text())["pid"] == host.process.pid


def test_a_directory_that_cannot_be_made_is_told(folder):
    (folder / "file").write_text("")
    message = refused("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data",
        folder / "file" / "data")
    assert str(folder / "file") in message


def test_a_data_directory_longer_than_a_socket_address_may_be(start_host):
    host = start_host(e2e_host.PLUGINS, mode="serve", into="d" * 120)
    for number in range(8):
        assert host.ok("users.register", {"email": f"long{number}@example.org", "name": "L"})
        assert host.ok("orders.place", {"user_id": 1, "sku": "x", "qty": 1, "price_cents": 1})


def test_a_missing_plugin_directory_is_told(folder):
    for mode in ("serve", "dev"):
        message = refused(mode, *serve(folder, folder / "nowhere")[1:])
        assert f"{folder / 'nowhere'}" in message


def test_what_is_no_plugin_is_told(folder):
    (folder / "empty").mkdir()
    assert "neither a plugin nor a folder of plugins" in refused(*serve(folder, folder / "empty"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_plugin_is_told(plugins, start_host):
    os.chmod(plugins / "shop" / "init.lua", 0)
    host = start_host(plugins)
    assert "ermission" in host.deploy_status(plugins / "shop")["message"]


def test_a_damaged_active_file_is_told(plugins, start_host):
    host = start_host(plugins)
    host.stop()
    path = host.data / "active.json"
    path.write_text(path.read_text()[:-20])
    message = refused("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data",
        host.data)
    assert "active.json" in message and "line" in message


def test_a_damaged_bundle_does_not_keep_the_others_from_serving(plugins, start_host):
    e2e_host.write(plugins / "other" / "init.lua", e2e_plugins.constant(1, "other"))
    host = start_host(plugins, mode="serve")
    digest = host.plugin_status("shop")["hash"]
    host.stop()
    bundle = next(host.data.rglob(f"{digest}.bundle"))
    bundle.write_bytes(bundle.read_bytes().replace(b"value", b"valve", 1))
    host.plugins = []
    host.start()
    assert host.ok("other.value") == {"value": 1}
    assert host.call("shop.value").status == 404
    assert "does not match its name" in host.wait_log(msg="cannot serve a plugin")["error"]


def test_serve_keeps_its_admin_address_to_its_owner(plugins, folder):
    data = folder / "data"
    host = e2e_host.Host(folder, plugins, mode="serve")
    line = host.command()
    del line[line.index("--admin"):line.index("--admin") + 2]
    host.command = lambda: line
    try:
        host.start()
        assert host.admin == f"unix:{data}/run/admin.sock"
        mode = os.stat(data / "run" / "admin.sock").st_mode & 0o777
        assert mode == 0o600
        status = e2e_host.run("status", "--data", data, "--json")
        assert json.loads(status.stdout)["ready"] is True
        host.stop()
    finally:
        host.discard()


# ---- SIGHUP

def reload(host, config):
    since = host.log_mark()
    text = config if isinstance(config, str) else json.dumps(config)
    host.config_path.write_text(text)
    host.process.send_signal(signal.SIGHUP)
    return host.wait_log(since, where=lambda line: "reloaded" in line["msg"])


def status_of(host, size):
    return host.request("POST", "/greet", b'{"name":"A"}'.ljust(size)).status


def test_sighup_changes_limits_while_it_serves(start_host):
    host = start_host(e2e_host.PLUGINS / "greeter", config={"limits": {"body": 100}})
    with host.connect() as c:
        assert (status_of(host, 100), status_of(host, 101)) == (200, 413)
        assert reload(host, {"limits": {"body": 200}})["level"] == "info"
        e2e_host.wait_until("both workers to know",
            lambda: all(status_of(host, 200) == 200 for _ in range(20)))
        assert status_of(host, 201) == 413
        assert c.request("POST", "/greet", {"name": "same connection"}).status == 200


@pytest.mark.parametrize("config, place", [
    ('{"limits": {"body": 300}', "line 1"),
    ('{\n  "limits": {"bdy": 300}\n}', "line 2, column .*limits.bdy"),
    ('{"limits": {"body": "300"}}', "line 1, column .*'limits.body' must be an integer"),
    ('{"limits": {"body": -1}}', "line 1, column .*from 0 to"),
    ('{"limits": 1}', "'limits' must be an object"),
    ('{"limits.body": 300}', "there is no setting 'limits.body'"),
    ("[]", "a configuration is a JSON object"),
    ('{"listen": "nowhere"}', "'listen'"),
    ('{"log": {"level": "loud"}}', "'log.level' must be"),
    ('{"drain_ms": 1, "drain_ms": 2}', "line 1, column .*'drain_ms' is there twice"),
    ('{"limits": {"body": 1}, "limits": {}}', "'limits' is there twice"),
    ('{"workers": 0}', "'workers' must be an integer from 1"),
    ("", "line 1"),
    (b"\xff\xfe".decode("latin-1"), "line 1"),
])
def test_invariant_11_a_broken_configuration_is_refused_with_its_place(folder, config, place):
    path = folder / "broken.json"
    path.write_text(config, encoding="latin-1")
    message = refused(*serve(folder, "--config", path), code=2)
    assert str(path) in message
    assert re.search(place, message), message


def test_a_broken_configuration_changes_nothing(start_host):
    host = start_host(e2e_host.PLUGINS / "greeter", config={"limits": {"body": 100}})
    line = reload(host, '{\n "limits": {"body": 5000, "x": 1}}')
    assert line["level"] == "error" and re.search(r"line 2, column \d+", line["error"]), line
    assert (status_of(host, 100), status_of(host, 101)) == (200, 413)
    host.config_path.unlink()
    since = host.log_mark()
    host.process.send_signal(signal.SIGHUP)
    host.wait_log(since, level="error")
    assert (status_of(host, 100), status_of(host, 101)) == (200, 413)


def test_sighup_without_a_configuration_is_told(plugins, start_host):
    host = start_host(plugins)
    since = host.log_mark()
    host.process.send_signal(signal.SIGHUP)
    host.wait_log(since, level="error", where=lambda line: "without --config" in line["error"])
    assert host.ok("shop.value") == {"value": 1}


def test_signals_under_load_fail_no_request(plugins, start_host):
    host = start_host(plugins, config={})
    request = request_bytes("POST", "/call/shop.value", {})
    with e2e_load.Load(host.listen, lambda _: request, lambda a, _: None
            if a.status == 200 else f"{a}", connections=16) as load:
        for _ in range(30):
            host.process.send_signal(signal.SIGHUP)
            load.wait_for(50)
    assert load.failures == []


# ---- the admin address

def test_the_admin_address_answers_to_local_names_only(plugins, start_host):
    host = start_host(plugins)
    assert host.admin_request("/status").status == 200
    assert host.admin_request("/status", name="localhost:1").status == 200
    for name in ("evil.example.org", "127.0.0.1.evil.example.org", "localhostile"):
        assert host.admin_request("/status", name=name).status == 403
    assert host.admin_request("/status", method="POST").status in (400, 405, 411)
    assert host.admin_request("/nothing").status == 404
    assert b"<html" in host.admin_request("/", accept="text/html").body.lower()


def test_status_is_whole_under_load(plugins, start_host):
    host = start_host(plugins)
    stop, errors = threading.Event(), []

    def look():
        while not stop.is_set():
            try:
                assert host.status()["ready"] is True
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for t in threads:
        t.start()
    for value in range(2, 8):
        host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(value), f"shop@1.0.{value}#")
    stop.set()
    for t in threads:
        t.join()
    assert errors == []


def test_listening_on_a_unix_socket(plugins, folder, start_host):
    path = folder / "listen.sock"
    host = start_host(plugins, arguments=["--listen", f"unix:{path}"])
    assert host.listen == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(request_bytes("POST", "/call/shop.value", {}, [("Connection", "close")]))
        data = b""
        while part := s.recv(4096):
            data += part
    assert e2e_http.split_answers(data)[0].json() == {"value": 1}
