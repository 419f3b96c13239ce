"""A real PostgreSQL for tests: a cluster in a temporary directory, on a Unix socket and a free port of 127.0.0.1.

The server refuses to run as root, so as root it is started as the user `postgres` of Debian's package. It is
durable as in production (fsync on). Invariant: only this server is ended, and its directory goes with it."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

USER = "postgres"
PASSWORD = "host's own/password"


def binaries():
    """The newest server's folder of programs, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    return pathlib.Path(found[-1]) if found else None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def as_server(command):
    """The command, run as somebody whom the server accepts."""
    if os.getuid() != 0:
        return list(map(str, command))
    return ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *map(str, command)]


class Postgres:
    """One server; `auth` is what pg_hba.conf asks of everybody: scram-sha-256 or trust."""

    def __init__(self, auth="scram-sha-256"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pinion-pg-"))
        if os.getuid() == 0:
            entry = pwd.getpwnam(USER)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.port = free_port()
        self.auth = auth
        self.process = None
        self.log = open(self.folder / "server.log", "ab")

    def run(self, *command, **options):
        return subprocess.run(as_server(command), check=True, capture_output=True, text=True, cwd="/", timeout=60, **options)

    def make(self):
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.run(binaries() / "initdb", "-D", self.data, "-U", "pinion", "--pwfile", secret, "-A", self.auth,
                 "-E", "UTF8", "--locale=C", "--no-instructions")
        secret.unlink()
        return self

    def start(self):
        """Starts it and waits until it answers."""
        self.process = subprocess.Popen(as_server([
            binaries() / "postgres", "-D", self.data, "-k", self.folder, "-p", str(self.port), "-c",
            "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB", "-c", "max_connections=60"]),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/")
        until = time.monotonic() + 60
        while subprocess.run([binaries() / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)],
                             check=False).returncode:
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < until, "the server does not come up"
            time.sleep(0.02)
        return self

    def stop(self, how=signal.SIGINT):
        """Fast by default: connections end, what was committed is there. SIGQUIT: as in a crash."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def discard(self):
        self.stop(signal.SIGQUIT)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, tcp=True, user="pinion", password=PASSWORD, **more):
        from urllib.parse import quote, urlencode
        secret = f":{quote(password, safe='')}" if password else ""
        host = f"127.0.0.1:{self.port}" if tcp else ""
        if not tcp:
            more = {"host": str(self.folder), "port": self.port, **more}
        return f"postgresql://{user}{secret}@{host}/postgres" + (f"?{urlencode(more)}" if more else "")

    def sql(self, text, user="pinion", password=PASSWORD):
        """Rows as lists of texts."""
        out = subprocess.run([binaries() / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port),
                              "-U", user, "-d", "postgres", "-c", text], check=False, capture_output=True, text=True, timeout=30,
                             env={**os.environ, "PGPASSWORD": password})
        assert out.returncode == 0, out.stderr
        return [line.split("|") for line in out.stdout.splitlines()]
