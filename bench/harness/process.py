"""Starts servers pinned to one core, adds up what they cost, and always ends them.

A server is a process tree: nginx and Pinion fork, Bun and Deno have threads. Cost and memory are
therefore read from /proc for every process that descends from the one started here, or is in its
session. A server that outlives bench/run would spoil the next measurement, so each one also dies
with its parent (PR_SET_PDEATHSIG).
"""
import ctypes
import os
import signal
import subprocess
import time

SERVER_CORE = 0
LOAD_CORE = 1
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Failed(Exception):
    """Something the table should show instead of figures; the text says what."""


def _pinned(core):
    def before_exec():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, {core})
    return before_exec


def spawn(argv, core, **options):
    """subprocess.Popen on one core, in a session of its own."""
    return subprocess.Popen(argv, start_new_session=True, preexec_fn=_pinned(core), **options)


def _stat(pid):
    """The fields of /proc/PID/stat after the name, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None


def _every():
    """{pid: stat fields} of all that runs; zombies too, their time is not yet their parent's."""
    stats = {int(name): _stat(name) for name in os.listdir("/proc") if name.isdigit()}
    return {pid: stat for pid, stat in stats.items() if stat}


def tree(leader):
    """{pid: stat fields} of everything that descends from leader or lives in its session."""
    every = {pid: stat for pid, stat in _every().items() if stat[0] != b"Z"}
    found = {pid for pid, stat in every.items() if pid == leader or int(stat[3]) == leader}
    while True:
        more = {pid for pid, stat in every.items() if int(stat[1]) in found} - found
        if not more:
            return {pid: every[pid] for pid in found}
        found |= more


def _seconds(stats):
    """User and system time, children that have ended and were waited for included."""
    return sum(sum(int(field) for field in stat[11:15]) for stat in stats.values()) / TICK


def cpu_seconds(leader):
    """CPU time of the tree so far."""
    return _seconds(tree(leader))


def machine_seconds():
    """CPU time of every process so far, plus what the hypervisor stole. The busy ticks of
    /proc/stat would be simpler, but they are sampled and miss a third of a server that wakes up
    often.
    """
    with open("/proc/stat", encoding="ascii") as file:
        steal = int(file.readline().split()[8]) / TICK
    return _seconds(_every()) + steal


def _pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def memory_mb(leader):
    """(RSS, PSS) of the tree in MB. RSS counts a shared page once for each process; PSS is None if
    unreadable.
    """
    pids = tree(leader)
    rss = sum(int(stat[21]) for stat in pids.values()) * PAGE / 1e6
    try:
        return rss, sum(_pss_kb(pid) for pid in pids) * 1024 / 1e6
    except (OSError, StopIteration):
        return rss, None


class Server:
    """A started peer: where it listens, what it costs, and how to end it."""

    def __init__(self, argv, log_path, env=None, cwd=None):
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.process = spawn(argv, SERVER_CORE, env={**os.environ, **(env or {})}, cwd=cwd,
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.port = None

    def log_tail(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return "; ".join(lines[-3:])[-300:]

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failed(f"ended with status {self.process.returncode}: {self.log_tail()}")

    def stop(self, patience=3.0):
        """SIGTERM to the leader, then SIGKILL to whatever of the tree is left."""
        left = {pid: stat[19] for pid, stat in tree(self.pid).items()}
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                left.update({pid: stat[19] for pid, stat in tree(self.pid).items()})
        for pid, born in left.items():
            stat = _stat(pid)
            if stat and stat[0] != b"Z" and stat[19] == born:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def wait_until(ready, server, seconds, what):
    """Asks ready() until it answers something true; the answer is returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ready()
        if answer:
            return answer
        server.check_alive()
        time.sleep(0.01)
    raise Failed(f"{what} not within {seconds:g} s: {server.log_tail()}")
