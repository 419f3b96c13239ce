"""Host: one real pinion under test, with its data directory, its plugins and its log.

Starts the binary that PINION names (default build/release/pinion) on free ports of 127.0.0.1, waits
until it is ready, reads its log, and stops it. Invariant: it ends only the process it started,
whose children die with it; a host that was stopped has exited with 0, and has written nothing but
log lines (so a sanitizer's report fails the test)."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import e2e_http

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PINION", str(ROOT / "build" / "release" / "pinion"))
PLUGINS = ROOT / "plugins"
IS_ASAN = "asan" in BINARY
SLOW = float(os.environ.get("PINION_TEST_SLOW", "3" if IS_ASAN else "1"))


def run(*arguments, timeout=15, stdin=subprocess.DEVNULL, **options):
    """Runs the binary to its end; the result has returncode, stdout, stderr."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
        stdin=stdin,
                          timeout=timeout * SLOW, check=False, **options)


def wait_until(what, condition, timeout=10):
    """The first true value of `condition()`."""
    until = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.002)


def write(path, text):
    """Saves by rename: a reader sees the old file or the new one."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".{path.name}.saving"
    if isinstance(text, bytes):
        beside.write_bytes(text)
    else:
        beside.write_text(text, encoding="utf-8")
    beside.rename(path)


class Host:
    """A host on `data`; `plugins` are directories, or one folder, given to the command."""

    def __init__(self, folder, plugins=(), mode="dev", workers=2, config=None, arguments=()):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.mode = mode
        self.workers = workers
        self.plugins = [plugins] if isinstance(plugins, (str, pathlib.Path)) else list(plugins)
        self.config = config
        self.config_path = self.folder / "pinion.json"
        self.arguments = list(arguments)
        self.log_path = self.folder / "host.log"
        self.process = None
        self.listen = self.admin = None
        self.may_die = False
        self.started_at = 0

    # ---- life

    def command(self):
        line = [BINARY, self.mode, *map(str, self.plugins), "--listen", "127.0.0.1:0", "--admin",
            "127.0.0.1:0",
                "--data", str(self.data), "--workers", str(self.workers)]
        if self.config is not None:
            self.config_path.write_text(json.dumps(self.config))
            line += ["--config", str(self.config_path)]
        return line + self.arguments

    def start(self, wait=True):
        """Starts it; with `wait`, returns when all that was given is live or has failed to be."""
        self.started_at = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)
        if wait:
            self.wait_ready()
        return self

    def host_file(self):
        """run/host.json, once it is this process's."""
        try:
            told = json.loads((self.data / "run" / "host.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return told if told["pid"] == self.process.pid else None

    def take_addresses(self, ready=False):
        told = self.host_file()
        assert self.process.poll() is None, f"the host ended: {self.log_text()}"
        if not told or (ready and not told["ready"]):
            return False
        self.listen, self.admin = told["listen"], told["admin"]
        return True

    def wait_ready(self):
        wait_until("the host to be ready", lambda: self.take_addresses(ready=True), 15)

    def stop(self):
        """SIGTERM, and all that must hold of a host that has ended."""
        self.process.send_signal(signal.SIGTERM)
        self.ended()

    def ended(self, code=0):
        """Waits for the process's end and checks what it left."""
        assert self.process.wait(15 * SLOW) == code, self.log_text()
        self.process = None
        self.check_log()

    def kill(self):
        """SIGKILL of the supervisor; its children must go with it."""
        pids = self.pids()
        self.process.kill()
        self.process.wait()
        self.process = None
        wait_until("the children's end", lambda: not any(is_alive(pid) for pid in pids))

    def discard(self):
        """At a test's end, whatever has happened."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    # ---- what it says

    def log_text(self, since=None):
        with open(self.log_path, "rb") as log:
            log.seek(self.started_at if since is None else since)
            return log.read().decode("utf-8", "replace")

    def log_mark(self):
        return self.log_path.stat().st_size

    def log(self, since=None, **fields):
        """Log lines whose fields are equal to the given ones."""
        found = []
        for text in self.log_text(since).splitlines(keepends=True):
            if not text.endswith("\n") or not text.startswith("{"):
                continue
            line = self.parse_log(text)
            if line and all(line.get(key) == value for key, value in fields.items()):
                found.append(line)
        return found

    def wait_log(self, since=None, timeout=10, where=lambda line: True, **fields):
        """The first log line with these fields for which `where` holds."""
        def look():
            return next((line for line in self.log(since, **fields) if where(line)), None)
        try:
            return wait_until(f"a log line with {fields}", look, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log is:\n{self.log_text(since)}") from None

    def parse_log(self, line):
        """Whoever is killed while it writes a line may leave a part of it, before the next one's."""
        try:
            return json.loads(line)
        except ValueError:
            assert self.may_die, f"the host wrote a line that is cut off: {line}"
            return None

    def check_log(self):
        text = self.log_text(0)
        for line in text.splitlines():
            assert line.startswith("{"), f"the host wrote what is no log line:\n{text}"
            self.parse_log(line)
        if not self.may_die:
            assert not self.log(0, msg="a process died"), text

    def status(self):
        return self.admin_request("/status").json()

    def admin_request(self, path, method="GET", name="127.0.0.1", accept="*/*"):
        with e2e_http.Connection(self.admin, 10 * SLOW) as c:
            c.send(f"{method} {path} HTTP/1.1\r\nHost: {name}\r\nAccept: {accept}\r\n\r\n".encode())
            return c.answer(is_head=method == "HEAD")

    def plugin_status(self, name):
        return next((p for p in self.status()["plugins"] if p["name"] == name), None)

    def deploy_status(self, directory):
        return next(d for d in self.status()["deploys"] if d["directory"] == str(directory))

    # ---- its processes

    def pids(self):
        """The host's children."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in pathlib.Path(path).read_text().split()]

    def worker_pids(self):
        return [worker["pid"] for worker in self.status()["workers"]]

    def control_pid(self):
        return self.status()["control"]["pid"]

    def workers_rss(self):
        """Resident bytes of all workers."""
        return sum(resident(pid) for pid in self.worker_pids())

    # ---- using it

    def connect(self, timeout=10):
        return e2e_http.Connection(self.listen, timeout * SLOW)

    def request(self, method, target, body=None, headers=()):
        return e2e_http.call(self.listen, method, target, body, headers, timeout=10 * SLOW)

    def call(self, capability, body=None):
        return self.request("POST", f"/call/{capability}", {} if body is None else body)

    def ok(self, capability, body=None):
        """The output of a call that must succeed."""
        answer = self.call(capability, body)
        assert answer.status in (200, 204), answer
        return answer.json() if answer.body else None

    def save(self, path, text, label=None):
        """Saves a plugin's file and waits until `label` (a prefix such as 'shop@1.0.2#') is live.
        Milliseconds it took."""
        since, begun = self.log_mark(), time.monotonic()
        write(path, text)
        if label:
            self.wait_log(since, msg="live",
                where=lambda line: line["generation"].startswith(label))
        return (time.monotonic() - begun) * 1000


def is_alive(pid):
    """Whether any thread of it is there: one that waits for the disk outlives the first, sockets and all."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, threads = fields[0], int(fields[17])
    return state != "Z" or threads > 1


def resident(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE")


def copy_plugins(folder, *names):
    """Copies of shipped plugins, to change; the folder they are in."""
    for name in names:
        shutil.copytree(PLUGINS / name, pathlib.Path(folder) / name)
    return pathlib.Path(folder)
