"""Pinion as a peer: the only file of the bench that knows Pinion's command line and run directory.

`pinion serve DIR` runs under load and `pinion dev DIR` for edits, both with one worker and on a
port of their own choice, which the host writes to DATA/run/host.json when it is ready.
"""
import json
import os
import shutil

from harness.peers import BENCH, Peer, first_version
from harness.process import Server, wait_until

READY_SECONDS = 10


def host_port(data):
    """The port in DATA/run/host.json once the host says it is ready, else None."""
    try:
        with open(os.path.join(data, "run", "host.json"), encoding="utf-8") as file:
            host = json.load(file)
    except (OSError, ValueError):
        return None
    return int(host["listen"].rpartition(":")[2]) if host.get("ready") else None


class Pinion(Peer):
    live = "dev"
    storm_reloads = 200
    editable = os.path.join("bench_greet", "init.lua")

    def __init__(self, name, binary):
        self.name = name
        self.path = binary
        super().__init__()

    def find(self):
        return os.path.abspath(self.path) if os.access(self.path, os.X_OK) else None

    def absent(self):
        return None if self.binary else f"no such program: {self.path}"

    def version(self):
        return first_version([self.binary, "version"])

    def source(self):
        return os.path.join(BENCH, "plugins")

    def prepare(self, site):
        shutil.copytree(self.source(), site.path("src"))

    def command(self, site, live):
        argv = [self.binary, "dev" if live else "serve", site.path("src"),
                "--listen", "127.0.0.1:0", "--data", site.path("data"), "--workers", "1"]
        return argv + (["--admin", "127.0.0.1:0"] if live else []), {}

    def start(self, site, live=False):
        self.prepare(site)
        argv, env = self.command(site, live)
        server = Server(argv, site.path("log"), env=env)
        try:
            server.port = wait_until(lambda: host_port(site.path("data")), server, READY_SECONDS,
                                     "ready")
        except BaseException:
            server.stop()
            raise
        return server

    def orders_kept(self, site):
        return None
