"""Hardening: what a worker has given up, what says so, and that everything else goes on."""

import ctypes
import os
import pathlib
import pwd
import platform
import signal
import struct
import subprocess
import time

import e2e_host
import e2e_plugins
import pytest

PROTECTIONS = ["user", "descriptors", "limits", "no_dump", "capabilities", "no_new_privs",
               "landlock", "seccomp", "network"]
EVERYWHERE = ["descriptors", "limits", "capabilities", "no_new_privs"]
IS_ROOT = os.geteuid() == 0
NOBODY = "nobody"

needs_root = pytest.mark.skipif(not IS_ROOT,
                                reason="only root may become somebody else, or look into a worker")

TABLE = "create table note (id integer primary key, text text not null);"
COLUMN = "alter table note add column kind text;"
NOTES = """
plugin:command "add" {{ input = {{ text = t.string }}, output = t.integer,
    run = function(ctx, input)
    ctx.db:run("insert into note (text) values ($1)", input.text)
    return ctx.db:one("select count(*) as n from note").n
end }}
plugin:query "{query}" {{ output = t.integer, run = function(ctx)
    return ctx.db:one([[select count({column}) as n from note]]).n
end }}
-- More than SQLite sorts in memory.
plugin:query "sort" {{ output = t.string, run = function(ctx)
    return ctx.db:one([[
        with recursive r(n) as (select 1 union all select n + 1 from r where n < 60000)
        select hex(n * 7919 % 60013) || printf('%0200d', n) as s from r
        order by s limit 1 offset 59000]]).s
end }}
"""


def save_notes(plugins, version, **names):
    """The plugin's migrations are those that its version needs."""
    folder = plugins / "notes"
    if version == "1.0.1":
        e2e_host.write(folder / "migrations" / "0002_kind.sql", COLUMN)
    else:
        e2e_host.write(folder / "migrations" / "0001_note.sql", TABLE)
    e2e_host.write(folder / "init.lua",
                   e2e_plugins.plugin(NOTES.format(**names), name="notes", version=version,
                                      needs=["db"], limits={"cpu_ms": 20000, "wall_ms": 20000}))


def proc_status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def security(host):
    """{process: {protection: None where it is in force, else why not}}"""
    return {process["process"]: {p["protection"]: None if p["in_force"] else p["why"]
                                 for p in process["protections"]}
            for process in host.status()["security"]}


def check_process(pid, says):
    """What the host says of the process is what the kernel says."""
    shown = proc_status(pid)
    for name in EVERYWHERE:
        assert says[name] is None, name
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(shown[name], 16) == 0, name
    assert shown["NoNewPrivs"] == "1"
    assert shown["Seccomp"] == ("2" if says["seccomp"] is None else "0")
    assert (says["user"] is None) == (shown["Uid"].split()[1] != "0")
    for name in ("seccomp", "landlock", "no_dump"):
        if e2e_host.IS_ASAN:
            assert "sanitizers" in says[name]
        else:
            assert says[name] is None or "kernel" in says[name]


@pytest.fixture(name="plugins")
def fixture_plugins(folder):
    folder.chmod(0o755)  # a host that has become another user reads them
    save_notes(folder / "plugins", "1.0.0", query="count", column="*")
    return folder / "plugins"


def use_everything(host, plugins):
    """A command, a query that needs temporary files, a hot reload with a migration."""
    assert [host.ok("notes.add", {"text": text}) for text in "ab"] == [1, 2]
    assert host.ok("notes.count") == 2
    assert host.ok("notes.sort").endswith("0" * 100 + host.ok("notes.sort")[-100:])
    since = host.log_mark()
    save_notes(plugins, "1.0.1", query="kinds", column="kind")
    host.wait_log(since, msg="live", where=lambda line: "notes@1.0.1" in line["generation"])
    assert host.ok("notes.kinds") == 0
    assert host.ok("notes.add", {"text": "c"}) == 3


def test_workers_have_given_up_what_they_do_not_need(plugins, start_host):
    host = start_host(plugins)
    says = security(host)
    assert list(says) == ["worker-0", "worker-1", "verify"]
    for i, pid in enumerate(host.worker_pids()):
        assert list(says[f"worker-{i}"]) == PROTECTIONS
        check_process(pid, says[f"worker-{i}"])
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert "Max core file size        0                    0" in limits


def test_everything_works_under_it(plugins, start_host):
    use_everything(start_host(plugins), plugins)


def test_a_worker_that_comes_back_is_hardened_too(plugins, start_host):
    host = start_host(plugins, workers=1)
    host.may_die = True
    before = host.worker_pids()[0]
    os.kill(before, signal.SIGKILL)
    e2e_host.wait_until("another worker", lambda: host.status()["workers"][0]["state"] == "serving"
                        and host.worker_pids()[0] != before)
    check_process(host.worker_pids()[0], security(host)["worker-0"])


def test_verification_is_hardened_before_it_loads_the_plugin(plugins, start_host):
    host = start_host(plugins)
    says = security(host)["verify"]
    path = pathlib.Path(f"/proc/{host.control_pid()}/task/{host.control_pid()}/children")
    e2e_host.write(plugins / "slow" / "init.lua",
                   "local till = os.clock() + 0.3 while os.clock() < till do end\n"
                   + e2e_plugins.constant(7, name="slow"))
    pid = e2e_host.wait_until("the process that verifies", lambda: next(
        (pid for pid in path.read_text().split() if e2e_host.is_alive(pid)), None))
    time.sleep(0.1)  # it is loading the plugin now
    check_process(pid, says)
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
    space = next(line for line in limits if line.startswith("Max address space")).split()[3]
    assert space == ("unlimited" if e2e_host.IS_ASAN else str(5 << 30))


def test_status_prints_a_line_for_each_protection_of_each_process(plugins, start_host):
    host = start_host(plugins, workers=1)
    result = e2e_host.run("status", "--data", host.data, "--security")
    assert result.returncode == 0, result.stderr
    lines = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    says = security(host)
    pids = {"worker-0": str(host.worker_pids()[0]), "verify": "-"}
    assert [line[:3] for line in lines] == [[process, pids[process], name]
                                            for process in says for name in PROTECTIONS]
    for process, _, name, state in lines:
        why = says[process][name]
        assert state == ("in force" if why is None else f"not in force: {why}")
    usual = e2e_host.run("status", "--data", host.data)
    assert usual.returncode == 0 and "seccomp" not in usual.stdout and "plugins" in usual.stdout
    assert "\n  0 name notes" in usual.stdout


def test_descriptors_of_the_shell_are_closed(plugins, folder):
    place = folder / "host"
    place.mkdir()
    host = e2e_host.Host(place, plugins)
    reader, writer = os.pipe()
    try:
        with open(host.log_path, "ab") as log:
            host.process = subprocess.Popen(host.command(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log,
                                            pass_fds=[writer])
        os.close(writer)
        host.wait_ready()
        assert os.read(reader, 1) == b""  # nobody holds the other end
        host.stop()
    finally:
        os.close(reader)
        host.discard()


def forbid_hardening():
    """What some containers do: seccomp() fails with EPERM, Landlock is not there."""
    numbers = {317 if platform.machine() == "x86_64" else 277: 1, 444: 38}
    code = [(0x20, 0, 0, 0)]  # the number of the call
    for number, error in numbers.items():
        code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | error)]
    code.append((0x06, 0, 0, 0x7FFF0000))
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    libc = ctypes.CDLL(None, use_errno=True)
    program = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text))
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0


@pytest.mark.skipif(e2e_host.IS_ASAN, reason="sanitizers do without them anyway")
def test_a_machine_that_forbids_it_is_told_of(plugins, folder):
    place = folder / "host"
    place.mkdir()
    host = e2e_host.Host(place, plugins)
    with open(host.log_path, "ab") as log:
        host.process = subprocess.Popen(host.command(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=log,
                                        preexec_fn=forbid_hardening)
    try:
        host.wait_ready()
        for says in security(host).values():
            assert "refused" in says["seccomp"] and "not permitted" in says["seccomp"]
            assert "does not have it" in says["landlock"]
            assert {says[name] for name in EVERYWHERE} == {None}
        told = host.log(level="warn", msg="a protection is not in force")
        assert [line["protection"] for line in told] == ["landlock", "seccomp"]
        use_everything(host, plugins)
        host.stop()
    finally:
        host.discard()


@needs_root
def test_a_worker_holds_no_socket_of_another(plugins, start_host):
    host = start_host(plugins, mode="serve", workers=3)
    shared = [{os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
              for pid in host.worker_pids()]
    sockets = [{name for name in names if name.startswith("socket:")} for names in shared]
    # The one that all of them accept from.
    assert len(sockets[0] & sockets[1]) == len(sockets[1] & sockets[2]) == 1


@needs_root
@pytest.mark.parametrize("how", ["option", "setting"])
def test_root_becomes_the_user(plugins, start_host, how):
    nobody = pwd.getpwnam(NOBODY)
    options = {"arguments": ["--user", NOBODY]} if how == "option" else {"config": {"user": NOBODY}}
    host = start_host(plugins, mode="dev", **options)
    for pid in [host.process.pid, *host.pids()]:
        shown = proc_status(pid)
        assert set(shown["Uid"].split()) == {str(nobody.pw_uid)}
        assert set(shown["Gid"].split()) == {str(nobody.pw_gid)}
        assert shown["Groups"].split() == [str(nobody.pw_gid)]
    says = security(host)
    for i, pid in enumerate(host.worker_pids()):
        assert says[f"worker-{i}"]["user"] is None
        check_process(pid, says[f"worker-{i}"])
    use_everything(host, plugins)
    assert {path.stat().st_uid for path in host.data.rglob("*")} == {nobody.pw_uid}
    host.kill()  # the children die with it, although they have changed


@needs_root
def test_a_data_directory_of_somebody_else_is_refused_by_its_path(plugins, folder):
    data = folder / "theirs"
    data.mkdir()
    os.chown(data, pwd.getpwnam(NOBODY).pw_uid, -1)
    as_root = e2e_host.run("serve", plugins, "--data", data, "--listen", "127.0.0.1:0")
    assert as_root.returncode == 1
    assert f"'{data}' belongs to user" in as_root.stderr and "`user`" in as_root.stderr
    ours = folder / "ours"
    (ours / "db").mkdir(parents=True)
    os.chown(ours, pwd.getpwnam(NOBODY).pw_uid, -1)
    as_nobody = e2e_host.run("serve", plugins, "--data", ours, "--user", NOBODY, "--listen",
                             "127.0.0.1:0")
    assert as_nobody.returncode == 1
    assert f"'{ours}/db' belongs to user 0" in as_nobody.stderr
    closed = folder / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    unreachable = e2e_host.run("serve", plugins, "--data", closed / "data", "--user", NOBODY)
    assert unreachable.returncode == 1
    assert f"cannot reach '{closed}/data'" in unreachable.stderr
    deep = e2e_host.run("serve", plugins, "--data", folder / "no" / "data", "--user", NOBODY)
    assert deep.returncode == 1
    assert f"cannot make directory '{folder}/no/data'" in deep.stderr


def test_a_user_that_is_not_there_is_refused(plugins, folder):
    result = e2e_host.run("serve", plugins, "--data", folder / "data", "--user", "no-such-user")
    assert result.returncode == 1
    assert "there is no user 'no-such-user'" in result.stderr
    assert not (folder / "data").exists()
    (folder / "pinion.json").write_text('{ "user": 7 }')
    result = e2e_host.run("serve", "--config", folder / "pinion.json")
    assert result.returncode == 2
    assert "'user' must be a user's name" in result.stderr
