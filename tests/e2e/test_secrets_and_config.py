"""Secrets and configuration that an operator gives to plugins, and passwords: refused where they are
not there or do not fit, read by every worker, and shown to nobody."""

import json
import os
import pathlib
import time

import e2e_host
import e2e_plugins
import pytest

SECRET = 'sk_live_51H8xYz"Q7\\tail'

BODY = """
plugin:query "length" { output = t.integer, run = function(ctx) return #ctx.secrets.api_key end }
plugin:query "sign" { input = { text = t.string }, output = t.string, run = function(ctx, input)
    return ctx.crypto:hmac("sha256", ctx.secrets.api_key, input.text)
end }
plugin:query "limit" { output = t.integer, run = function(ctx) return ctx.config.limit end }
plugin:query "leak" { input = { how = t.string }, output = { a = t.integer },
    errors = { gone = 410 }, run = function(ctx, input)
    local key = ctx.secrets.api_key
    if input.how == "error" then error("cannot reach it with " .. key) end
    if input.how == "bare" then error(key) end
    if input.how == "cut" then error("with " .. key:sub(1, 16)) end
    if input.how == "table" then error({ key }) end
    if input.how == "fail" then ctx:fail("gone", { why = "with " .. key, [key] = key }) end
    if input.how == "output" then return { a = 1, [key] = key } end
    if input.how == "name" then load("local t = ... t['" .. key:sub(1, 12) .. "'].x = 1")({}) end
    if input.how == "log" then
        ctx.log:info("key is " .. key, { key = key, more = "a" .. key .. "b", [key] = 1 })
        print("key is", key)
    end
    if input.how == "spin" then local name = key while true do name = name .. "" end end
    return { a = 1 }
end }
"""

LEAKS = ["error", "bare", "cut", "table", "fail", "output", "name", "log", "spin"]


def source(version="1.0.0", needs=("secret api_key",), config=None, body=BODY, **options):
    text = e2e_plugins.plugin(body, name="pay", version=version, needs=list(needs), **options)
    return text.replace('layer =', f'config = {config}, layer =', 1) if config else text


def put_plugin(folder, **options):
    e2e_host.write(folder / "plugins" / "pay" / "init.lua", source(**options))
    return folder / "plugins"


def put_secret(directory, value=SECRET, mode=0o600, name="api_key"):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(value + "\n")
    path.chmod(mode)
    return path


def hidden(text):
    return SECRET[:12] not in text


@pytest.mark.parametrize("mode", ["dev", "serve"])
def test_a_secret_is_read_by_every_worker_and_shown_to_nobody(folder, start_host, mode):
    secrets = folder / "given"
    put_secret(secrets)
    host = start_host(put_plugin(folder, limits={"cpu_ms": 50}), mode=mode,
                      config={"secrets": str(secrets)})
    for _ in range(8):
        assert host.ok("pay.length") == len(SECRET)
    for how in LEAKS:
        answer = host.call("pay.leak", {"how": how})
        assert answer.status == (200 if how == "log" else 410 if how == "fail" else 500), answer
        assert hidden(answer.body.decode()), (how, answer.body)
    assert "***" in host.call("pay.leak", {"how": "fail"}).json()["details"]["why"]
    host.wait_log(msg="key is ***", key="***", more="a***b")
    host.wait_log(msg="print", text="key is\t***")
    assert hidden(host.log_text()), host.log_text()
    assert hidden(json.dumps(host.status()))
    for path in host.data.rglob("*"):
        if path.is_file():
            assert SECRET[:12].encode() not in path.read_bytes(), path


def test_a_worker_that_is_started_anew_has_its_secrets_and_config(folder, start_host):
    put_secret(folder / "host0" / "data" / "secrets")
    host = start_host(put_plugin(folder, config="{ limit = t.integer { default = 7 } }"),
                      mode="serve", workers=1)
    assert host.ok("pay.length") == len(SECRET)
    host.may_die = True
    before = host.worker_pids()
    os.kill(before[0], 9)
    e2e_host.wait_until("another worker", lambda: host.worker_pids() != before)
    e2e_host.wait_until("its answer", lambda: host.call("pay.limit").status == 200)
    assert host.ok("pay.limit") == 7
    assert host.ok("pay.length") == len(SECRET)


def test_a_secret_that_is_not_there_refuses_the_deployment(folder, start_host):
    plugins = put_plugin(folder, needs=(), body=BODY.replace("ctx.secrets.api_key", "'x'"))
    host = start_host(plugins)
    assert host.ok("pay.length") == 1
    e2e_host.write(plugins / "pay" / "init.lua", source("1.0.1"))
    line = host.wait_log(msg="not live; what served before still serves", step="verify")
    assert "secret 'api_key' is not there" in line["error"]
    assert str(host.data / "secrets" / "api_key") in line["error"]
    assert "PINION_SECRET_API_KEY" in line["error"]
    assert host.ok("pay.length") == 1
    put_secret(host.data / "secrets")
    host.save(plugins / "pay" / "init.lua", source("1.0.2"), "pay@1.0.2#")
    assert host.ok("pay.length") == len(SECRET)


def test_a_secret_may_be_in_the_environment(folder, start_host, monkeypatch):
    monkeypatch.setenv("PINION_SECRET_API_KEY", SECRET)
    host = start_host(put_plugin(folder), mode="serve")
    assert host.ok("pay.length") == len(SECRET)


def test_a_secret_that_others_can_read_is_refused_in_production(folder, start_host):
    secrets = folder / "given"
    path = put_secret(secrets, mode=0o644)
    host = start_host(put_plugin(folder), mode="serve", config={"secrets": str(secrets)})
    line = host.wait_log(msg="not live; what served before still serves")
    assert f"others can read '{path.resolve()}' (mode 0644): chmod 600" in line["error"]


def test_a_secret_that_others_can_read_is_a_warning_in_development(folder, start_host):
    secrets = folder / "given"
    put_secret(secrets, mode=0o644)
    host = start_host(put_plugin(folder), config={"secrets": str(secrets)})
    assert host.ok("pay.length") == len(SECRET)
    host.wait_log(level="warn", msg="a secret that others can read; production refuses it",
                  secret="api_key")


def test_configuration_reaches_the_plugin_and_must_fit(folder, start_host):
    put_secret(folder / "host0" / "data" / "secrets")
    plugins = put_plugin(folder, config="{ limit = t.integer { max = 100 } }")
    host = start_host(plugins, config={"config": {"pay": {"limit": 42}, "other": {}}})
    assert host.ok("pay.limit") == 42
    e2e_host.write(plugins / "pay" / "init.lua",
                   source("1.0.1", config="{ limit = t.string }"))
    line = host.wait_log(msg="not live; what served before still serves", step="verify")
    assert line["error"] == ("pay: the host's configuration of the plugin: member 'limit': "
                             "expected string, got 42")
    host.save(plugins / "pay" / "init.lua", source("1.0.2"), "pay@1.0.2#")
    assert host.ok("pay.limit") == 42


def test_a_configuration_that_is_no_good_is_refused_at_start(folder):
    path = folder / "pinion.json"
    for text, why in [('{"config": 7}', "'config' must be an object"),
                      ('{"config": {"pay": 7}}', "'config.pay' must be an object"),
                      ('{"config": {"Pay": {}}}', "by the names of plugins"),
                      ('{"config": {"pay": {}, "pay": {}}}', "'config.pay' is there twice"),
                      ('{"secrets": 7}', "'secrets' must be a path")]:
        path.write_text(text)
        result = e2e_host.run("serve", "--config", path, "--data", folder / "data")
        assert result.returncode == 2 and why in result.stderr, result.stderr
    path.write_text(json.dumps({"secrets": str(folder / "nowhere")}))
    result = e2e_host.run("serve", "--config", path, "--data", folder / "data")
    assert result.returncode == 1 and "is not a directory" in result.stderr


def test_check_tells_what_an_operator_has_to_give(folder):
    plugins = put_plugin(folder, config="{ limit = t.integer }")
    result = e2e_host.run("check", plugins, "--json", cwd=folder)
    findings = [f for f in json.loads(result.stdout)["findings"] if f["check"] == "secrets"]
    assert result.returncode == 0 and len(findings) == 1
    assert findings[0]["severity"] == "warning"
    assert "secret 'api_key' is not there" in findings[0]["message"]
    secrets = folder / "given"
    put_secret(secrets)
    settings = folder / "pinion.json"
    settings.write_text(json.dumps({"secrets": str(secrets), "config": {"pay": {"limit": "x"}}}))
    result = e2e_host.run("check", plugins, "--json", "--config", settings)
    told = json.loads(result.stdout)["findings"]
    assert result.returncode == 1
    assert not [f for f in told if f["check"] == "secrets"]
    errors = [f for f in told if f["severity"] == "error"]
    assert len(errors) == 1 and errors[0]["check"] == "config"
    assert "config.pay: member 'limit': expected integer, got string" in errors[0]["message"]
    settings.write_text(json.dumps({"secrets": str(secrets), "config": {"pay": {"limit": 1}}}))
    assert e2e_host.run("check", plugins, "--config", settings).returncode == 0
    settings.write_text("{")
    assert e2e_host.run("check", plugins, "--config", settings).returncode == 1


PASSWORDS = """
plugin:action "hash" { input = { password = t.string }, output = t.string, run = function(ctx, i)
    return ctx.crypto:hash_password(i.password)
end }
plugin:query "verify" { input = { password = t.string, hash = t.string }, output = t.boolean,
    run = function(ctx, i) return (ctx.crypto:verify_password(i.password, i.hash)) end }
plugin:command "both" { output = t.string, run = function(ctx)
    return ctx.crypto:hash_password("x")
end }
plugin:query "quick" { output = t.integer, run = function() return 1 end }
"""


def threads_of(host):
    return {thread.name for thread in pathlib.Path(f"/proc/{host.worker_pids()[0]}/task").iterdir()}


@pytest.mark.parametrize("mode", ["dev", "serve"])
def test_passwords_are_hashed_beside_the_loop(folder, start_host, mode):
    e2e_host.write(folder / "plugins" / "door" / "init.lua",
                   e2e_plugins.plugin(PASSWORDS, name="door",
                                      limits={"cpu_ms": 5000, "wall_ms": 20000}))
    host = start_host(folder / "plugins", mode=mode, workers=1)
    text = host.ok("door.hash", {"password": "correct horse"})
    assert text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert host.ok("door.verify", {"password": "correct horse", "hash": text}) is True
    assert host.ok("door.verify", {"password": "wrong", "hash": text}) is False
    assert host.call("door.both").status == 500
    threads = threads_of(host)
    connections = [host.connect() for _ in range(4)]
    for c in connections:
        body = b'{"password":"p"}'
        c.send(b"POST /call/door.hash HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
               % (len(body), body))
    slowest = 0
    for _ in range(20):
        begun = time.monotonic()
        assert host.ok("door.quick") == 1
        slowest = max(slowest, time.monotonic() - begun)
    answers = [c.answer() for c in connections]
    assert all(answer.status == 200 for answer in answers), answers
    assert len({answer.body for answer in answers}) == 4
    for c in connections:
        c.close()
    assert threads_of(host) == threads


def test_a_worker_may_start_no_other_thread(folder, start_host):
    """As nobody, for whom RLIMIT_NPROC holds: its threads are there all the same."""
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    e2e_host.write(folder / "plugins" / "door" / "init.lua",
                   e2e_plugins.plugin(PASSWORDS, name="door", limits={"cpu_ms": 5000}))
    folder.chmod(0o755)
    (folder / "host0").mkdir()
    (folder / "host0").chmod(0o777)
    host = start_host(folder / "plugins", mode="serve", workers=1, arguments=["--user", "nobody"],
                      config={"http": {"outgoing": False}})
    assert host.ok("door.hash", {"password": "p"}).startswith("$argon2id$")
    if e2e_host.IS_ASAN:
        return  # it has no such limit
    limits = pathlib.Path(f"/proc/{host.worker_pids()[0]}/limits").read_text()
    assert [line.split()[2:4] for line in limits.splitlines()
            if line.startswith("Max processes")] == [["0", "0"]]
