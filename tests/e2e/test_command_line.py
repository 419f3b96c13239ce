"""The commands: help everywhere, exit codes 0 (good), 1 (failed), 2 (wrong usage), and messages
that name what is wrong."""

import json
import subprocess

import e2e_host
import pytest
from e2e_host import run

COMMANDS = ["dev", "serve", "check", "call", "client", "openapi", "status", "backup", "restore", "fsck", "version",
            "help"]


@pytest.fixture(scope="module")
def host(shipped):
    shipped.ok("users.register", {"email": "cli@example.org", "name": "Cli"})
    return shipped


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    by_option, by_help = run(command, "--help"), run("help", command)
    assert by_option.returncode == by_help.returncode == 0
    assert by_option.stdout == by_help.stdout
    assert by_option.stderr == ""
    assert by_option.stdout.startswith(f"usage: pinion {command}")
    assert "Example:" in by_option.stdout


def test_help_lists_every_command():
    for line in ((), ("help",), ("--help",), ("-h",)):
        listed = run(*line)
        assert listed.returncode == 0
        assert all(f"pinion {command}" in listed.stdout for command in COMMANDS)


def test_version():
    first, second = run("version"), run("--version")
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout and first.stdout.startswith("pinion ")


@pytest.mark.parametrize("line, named", [
    (["fly"], "fly"),
    (["help", "fly"], "fly"),
    (["dev"], "plugin"),
    (["dev", "--fly", "plugins"], "--fly"),
    (["serve", "--listen"], "--listen"),
    (["serve", "--listen", "nowhere"], "nowhere"),
    (["serve", "--listen", "127.0.0.1:99999"], "99999"),
    (["serve", "--admin", ":"], "admin"),
    (["serve", "--workers", "0"], "0"),
    (["serve", "--workers", "65"], "65"),
    (["serve", "--workers", "two"], "two"),
    (["serve", "--data", ""], "--data"),
    (["serve", "-x"], "-x"),
    (["serve", "--config", "/nowhere/pinion.json"], "/nowhere/pinion.json"),
    (["call"], "which capability"),
    (["call", "greeter"], "greeter"),
    (["call", "greeter.greet.x"], "greeter.greet.x"),
    (["call", "greeter.greet", "{}", "more"], "more"),
    (["call", "greeter.greet", "--fly"], "--fly"),
    (["call", "greeter.greet", "--host", "nowhere"], "nowhere"),
    (["client"], "which client"),
    (["client", "perl"], "typescript or lua"),
    (["client", "typescript", "--integers", "float"], "float"),
    (["client", "lua", "--integers", "bigint"], "--integers"),
    (["client", "lua", "plugins", "--host", "127.0.0.1:1"], "not both"),
    (["client", "lua", "--host", "nowhere"], "nowhere"),
    (["status", "more"], "more"),
    (["status", "--fly"], "--fly"),
    (["version", "more"], "arguments"),
])
def test_wrong_usage_is_2_and_names_it(line, named):
    result = run(*line)
    assert result.returncode == 2, result
    assert named in result.stderr
    assert result.stdout == ""


def test_call_prints_the_answer(host):
    result = run("call", "greeter.greet", '{"name":"Ada"}', "--host", host.listen)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"greeting": "Hello, Ada!"}


def test_call_takes_an_url_and_shows_the_head(host):
    result = run("call", "--verbose", f"--host=http://{host.listen}", "users.get", '{"id":1}')
    assert result.returncode == 0
    assert json.loads(result.stdout)["email"] == "cli@example.org"
    assert "Pinion-Generation: users@1.0.0#1" in result.stderr


def test_call_reads_standard_input(host):
    result = subprocess.run([e2e_host.BINARY, "call", "greeter.greet", "-", "--host", host.listen],
        input='{"name":"In"}',
                            capture_output=True, text=True, timeout=15 * e2e_host.SLOW, check=False)
    assert json.loads(result.stdout) == {"greeting": "Hello, In!"}


@pytest.mark.parametrize("capability, body, code", [
    ("greeter.greet", "{}", "contract_input"),
    ("greeter.greet", "{", "invalid_json"),
    ("users.get", '{"id":99999}', "not_found"),
    ("nobody.nothing", "{}", "not_found"),
])
def test_call_of_what_fails_is_1_and_prints_the_problem(host, capability, body, code):
    result = run("call", capability, body, "--host", host.listen)
    assert result.returncode == 1
    assert json.loads(result.stdout)["code"] == code


def test_call_of_nobody_is_1():
    result = run("call", "greeter.greet", "--host", "127.0.0.1:1")
    assert result.returncode == 1
    assert "127.0.0.1:1" in result.stderr and "refused" in result.stderr


def test_client_prints_what_directories_declare(folder):
    made = run("client", "typescript", e2e_host.PLUGINS / "greeter", "--integers=bigint")
    assert (made.returncode, made.stderr) == (0, "")
    assert "export type Integer = bigint;" in made.stdout
    assert "readonly greeter: GreeterPlugin;" in made.stdout and "OrdersPlugin" not in made.stdout
    for language, sign in {"typescript": "UsersPlugin", "lua": "users.Plugin"}.items():
        shipped = run("client", language, cwd=e2e_host.ROOT)
        assert shipped.returncode == 0 and sign in shipped.stdout
    nothing = run("client", "lua", cwd=folder)
    assert nothing.returncode == 2 and "which plugins" in nothing.stderr


def test_client_of_what_cannot_be_loaded_is_1(folder):
    e2e_host.write(folder / "bad" / "init.lua", "return 1")
    e2e_host.copy_plugins(folder / "twice", "greeter")
    for directories, named in {
        (folder / "bad",): "bad/init.lua",
        (folder / "nowhere",): "nowhere",
        (e2e_host.PLUGINS, folder / "twice"): "'greeter'",
    }.items():
        result = run("client", "typescript", *directories)
        assert (result.returncode, result.stdout) == (1, "")
        assert named in result.stderr


def test_client_of_a_host(host):
    from_host = run("client", "typescript", "--host", host.listen, "--integers", "string")
    assert from_host.returncode == 0
    assert from_host.stdout == run("client", "typescript", e2e_host.PLUGINS,
        "--integers", "string").stdout
    assert host.request("GET", "/client.ts?integers=float").status == 400
    assert host.request("HEAD", "/client.d.lua").status == 200
    nobody = run("client", "lua", "--host", "127.0.0.1:1")
    assert nobody.returncode == 1 and "127.0.0.1:1" in nobody.stderr


def test_status_for_people(host):
    for place in (["--data", host.data], ["--admin", host.admin]):
        result = run("status", *place)
        assert (result.returncode, result.stderr) == (0, "")
        for word in ("ready", "workers", "plugins", "greeter@1.0.0#1", "serving", str(host.data)):
            assert word in result.stdout


def test_status_for_programs(host):
    told = json.loads(run("status", "--data", host.data, "--json").stdout)
    assert told["listen"] == host.listen
    assert {p["generation"] for p in told["plugins"]} == {"greeter@1.0.0#1", "orders@1.0.0#1",
        "users@1.0.0#1"}
    assert len(told["workers"]) == 2


def test_status_of_nobody_is_1(folder):
    result = run("status", "--data", folder)
    assert result.returncode == 1
    assert "no host runs on the data directory" in result.stderr and str(folder) in result.stderr


def test_status_of_a_killed_host_is_1(folder, start_host):
    host = start_host(e2e_host.PLUGINS / "greeter")
    host.kill()
    result = run("status", "--data", host.data)
    assert result.returncode == 1 and result.stderr.startswith("pinion status: ")


def test_options_win_over_the_configuration(folder, start_host):
    host = start_host(e2e_host.PLUGINS / "greeter", workers=2,
        config={"workers": 1, "data": "/nowhere", "listen": "127.0.0.1:1"})
    assert len(host.status()["workers"]) == 2


def test_directories_may_come_from_the_configuration(folder, start_host):
    host = start_host([], mode="serve",
        config={"plugins": [str(e2e_host.PLUGINS / "greeter")],
            "log": {"level": "warn", "format": "json"}})
    assert host.ok("greeter.greet", {"name": "A"})
    assert not host.log(level="info")


def test_logfmt_is_for_terminals(folder):
    path = folder / "logfmt.json"
    path.write_text('{"log": {"format": "logfmt"}}')
    result = run("serve", folder / "nowhere", "--config", path, "--data", folder / "data",
        "--listen", "127.0.0.1:0")
    assert result.returncode == 1
    assert 'level=error process=supervisor msg="cannot start"' in result.stderr
