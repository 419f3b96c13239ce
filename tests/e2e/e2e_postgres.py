"""Postgres: real PostgreSQL servers under test, each with its own temporary directory, port and socket.

Uses the newest server binaries there are (PATH, then Debian's folders), never a cluster of the machine's.
A server refuses root: it runs as `postgres`, or `nobody`, then. It is as durable as its defaults make it:
fsync and synchronous_commit are on. Invariant: it ends only processes that it started.

Logins: SUPERUSER owns all; ROLE may create roles and owns each database that `database` makes: that is what
a host is given. All have passwords, asked for on the socket too."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

import e2e_host

SUPERUSER, ROLE, PASSWORD = "keeper", "pinion_host", "a b%:/@c"
QUOTED = "a%20b%25%3A%2F%40c"  # the password in a URL
SETTINGS = ("fsync=on", "shared_buffers=32MB", "max_connections=60", "listen_addresses=127.0.0.1",
    "logging_collector=off", "log_line_prefix=%m [%p] %u ", "timezone=UTC", "log_timezone=UTC", "wal_keep_size=64MB")


def binaries():
    """The folder of the newest server, or None."""
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    found = shutil.which("initdb")
    if found:
        folders.append(os.path.dirname(os.path.realpath(found)))
    folders = [f for f in folders if os.access(f"{f}/postgres", os.X_OK) and os.access(f"{f}/initdb", os.X_OK)]
    return max(folders, key=lambda f: (float("".join(filter(str.isdigit, f)) or 0), f), default=None)


def server_user():
    """Options of subprocess that make a process somebody whom a server accepts."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError("there is neither a user 'postgres' nor 'nobody'")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One server in `folder`, whose path must be short: there is a socket in it."""

    def __init__(self, folder, settings=()):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "d"
        self.port = free_port()
        self.settings = [*SETTINGS, *settings]
        self.log_path = self.folder / "server.log"
        self.process = None
        self.user = server_user()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        if self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])

    def run(self, name, *arguments, timeout=60, **options):
        """Runs one of the server's programs to its end, as the server's user."""
        told = subprocess.run([f"{binaries()}/{name}", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=timeout * e2e_host.SLOW, check=False, cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "10"}, **self.user, **options)
        assert told.returncode == 0, f"{name}: {told.stdout}{told.stderr}"
        return told.stdout

    # ---- life

    def create(self, template=None):
        """A new cluster, or a copy of one that was never started."""
        if template:
            shutil.copytree(template.data, self.data)
            if self.user:
                for path in (self.data, *self.data.rglob("*")):
                    os.chown(path, self.user["user"], self.user["group"])
            return self
        secret = self.folder / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)
        self.run("initdb", "-D", self.data, "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8",
            "--locale=C", "--no-sync", "--no-instructions")
        return self

    def start(self):
        line = [f"{binaries()}/postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder]
        for setting in self.settings:
            line += ["-c", setting]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, **self.user)
        e2e_host.wait_until("the server to be ready", self.is_ready, 30)
        return self

    def is_ready(self):
        """Its own file says so, in the eighth line."""
        assert self.process.poll() is None, f"the server ended: {self.log_path.read_text()}"
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and int(lines[0]) == self.process.pid and lines[7].strip() in ("ready", "standby")

    def stop(self):
        """In order, with its clients thrown out."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30 * e2e_host.SLOW) == 0, self.log_path.read_text()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def pids(self):
        """The server's processes, the first one last."""
        try:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except FileNotFoundError:
            children = []
        return [int(pid) for pid in children] + [self.process.pid]

    def send_all(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def pause(self):
        """It answers nothing any more, and its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)
        self.send_all(signal.SIGSTOP)

    def resume(self):
        self.send_all(signal.SIGCONT)

    def kill(self):
        """SIGKILL of all of it at once."""
        self.process.send_signal(signal.SIGSTOP)  # it starts no more
        pids = self.pids()
        self.send_all(signal.SIGKILL)
        self.process.wait()
        self.process = None
        e2e_host.wait_until("the server's end", lambda: not any(e2e_host.is_alive(pid) for pid in pids))

    def discard(self):
        if self.process:
            self.kill()

    # ---- a second one

    def standby(self, folder, port=None):
        """A running server that follows this one, and without which nothing is committed any more."""
        other = Server(folder, self.settings[len(SETTINGS):])
        other.port = port or other.port
        shutil.rmtree(other.data, ignore_errors=True)
        other.run("pg_basebackup", "-D", other.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
            "-d", f"host=127.0.0.1 port={self.port} user={SUPERUSER} application_name=standby", timeout=120)
        other.start()
        self.sql("alter system set synchronous_standby_names = 'standby'")
        self.sql("select pg_reload_conf()")
        e2e_host.wait_until("the standby to follow",
            lambda: self.sql("select sync_state from pg_stat_replication") == "sync", 30)
        return other

    def promote(self):
        """From now on it takes commands, and waits for no other."""
        self.sql("alter system reset synchronous_standby_names")
        self.run("pg_ctl", "promote", "-w", "-D", self.data)

    # ---- using it

    def sql(self, text, database="postgres", user=SUPERUSER):
        """Rows as psql prints them, without decoration."""
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port, "-U", user, "-d", database,
            "-c", text).rstrip("\n")

    def database(self, name):
        """Makes one for a host; its URL."""
        if self.sql(f"select count(*) from pg_roles where rolname = '{ROLE}'") == "0":
            secret = PASSWORD.replace("'", "''")
            self.sql(f"create role {ROLE} login createrole password '{secret}'")
        self.sql(f"create database \"{name}\" owner {ROLE}")
        return self.url(name)

    def url(self, database, user=ROLE, through="127.0.0.1", others=(), more=""):
        """`through`: "127.0.0.1" or "unix"; `others`: servers that may have become the one."""
        if through == "unix":
            return f"postgresql://{user}:{QUOTED}@/{database}?host={self.folder}&port={self.port}{more and '&' + more}"
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in (self, *others))
        return f"postgresql://{user}:{QUOTED}@{hosts}/{database}{more and '?' + more}"

    def terminate(self, where="true"):
        """Ends the backends of hosts for which `where` holds; how many."""
        return int(self.sql("select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'client backend' "
            f"and usename <> '{SUPERUSER}' and ({where})"))

    def wait_activity(self, where, count=1):
        """Until so many backends of hosts are as `where` says."""
        e2e_host.wait_until(f"{count} backends with {where}", lambda: int(self.sql("select count(*) from pg_stat_activity "
            f"where backend_type = 'client backend' and usename <> '{SUPERUSER}' and ({where})")) >= count)


def time_of(what):
    """Seconds that a call takes, and what it returns."""
    begun = time.monotonic()
    value = what()
    return time.monotonic() - begun, value
