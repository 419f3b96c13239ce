"""The peers: where each is found, how it is started, what it can do, how its code is reloaded.

Each peer runs from a site: a temporary directory with a copy of its source, a port and a database.
A peer with `live` set has a way to pick up an edited file; only that command line differs from the
one used under load. Pinion is in pinion.py.
"""
import os
import re
import shutil
import signal
import sqlite3
import subprocess

from harness.process import Server

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODULES = os.path.join(BENCH, ".peers", "node_modules")
WORKS = ("greet", "user", "order")
NODE_MINIMUM = 20


def packaged(pattern, binary):
    """A binary of an npm platform package in .peers, else the one on the PATH, else None."""
    scope, _, prefix = pattern.partition("/")
    folder = os.path.join(MODULES, scope)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        for path in (os.path.join(folder, name, "bin", binary), os.path.join(folder, name, binary)):
            if name.startswith(prefix) and os.access(path, os.X_OK):
                return path
    return shutil.which(binary)


def first_version(argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    found = re.search(r"\d+\.\d+[.\w-]*", done.stdout + done.stderr)
    return found.group(0) if found else "unknown version"


def create_database(path):
    connection = sqlite3.connect(path)
    with open(os.path.join(BENCH, "peers", "schema.sql"), encoding="utf-8") as file:
        connection.executescript(file.read())
    connection.close()


class Peer:
    """One server program. Subclasses say how; `works` is what it can do, `live` how it reloads, if
    it does.
    """

    name = ""
    works = WORKS
    live = None
    storm_reloads = 40
    editable = "server.js"
    loses_renamed_files = False

    def __init__(self):
        self.binary = self.find()

    def find(self):
        """The path of the program, or None."""
        raise NotImplementedError

    def absent(self):
        """Why this peer cannot run here, or None."""
        return None if self.binary else f"{self.name} not found; bench/install-peers installs it"

    def skips(self, work):
        """Why this peer sits out a workload, or None."""
        return None if work in self.works else f"no {work} workload"

    def version(self):
        return first_version([self.binary, "--version"])

    def source(self):
        return os.path.join(BENCH, "peers", self.name)

    def prepare(self, site):
        """Copies the source and fills a database, so that an edit or a write never touches the
        repository.
        """
        shutil.copytree(self.source(), site.path("src"))
        create_database(site.path("bench.db"))

    def command(self, site, live):
        """(argv, environment) of the server."""
        raise NotImplementedError

    def start(self, site, live=False):
        """A running server whose port is known; it may not answer yet."""
        self.prepare(site)
        argv, env = self.command(site, live)
        env = {"PORT": str(site.port), "DB": site.path("bench.db"), **env}
        server = Server(argv, site.path("log"), env=env, cwd=site.path("src"))
        server.port = site.port
        return server

    def edited_file(self, site):
        """The file in which the word Hello decides what greet answers."""
        return site.path("src", self.editable)

    def reload(self, server):
        """What has to be done after an edit; nothing where the peer watches its files."""

    def orders_kept(self, site):
        """Rows in the order table after a run, or None where the peer keeps them elsewhere."""
        connection = sqlite3.connect(site.path("bench.db"))
        try:
            return connection.execute("select count(*) from orders").fetchone()[0]
        finally:
            connection.close()


class Nginx(Peer):
    name = "nginx"
    works = ("greet", "user")
    live = "SIGHUP, as -s reload sends"
    editable = "greet.lua"
    code_cache = "on"
    folders = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")

    def source(self):
        return os.path.join(BENCH, "peers", "nginx")

    def find(self):
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

    def modules(self):
        return next((folder for folder in self.folders
                     if os.path.exists(os.path.join(folder, "ngx_http_lua_module.so"))), None)

    def absent(self):
        if self.binary and not self.modules():
            return "nginx is here but its Lua module is not; bench/install-peers installs it"
        return super().absent()

    def version(self):
        return first_version([self.binary, "-v"])

    def prepare(self, site):
        super().prepare(site)
        with open(site.path("src", "nginx.conf"), encoding="utf-8") as file:
            text = file.read()
        fill = {"MODULES": self.modules(), "SITE": site.path("src"), "PORT": str(site.port),
                "USER": "user root;" if os.geteuid() == 0 else "", "CODE_CACHE": self.code_cache}
        text = re.sub(r"@(\w+)@", lambda found: fill.get(found[1], found[0]), text)
        with open(site.path("src", "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def command(self, site, live):
        root = site.path("src")
        return [self.binary, "-p", root, "-e", "stderr", "-c", os.path.join(root, "nginx.conf")], {}

    def reload(self, server):
        os.kill(server.pid, signal.SIGHUP)


class NginxUncached(Nginx):
    """nginx as one develops with it: a new Lua VM for every request, so an edit needs no reload at
    all.
    """

    name = "nginx-nocache"
    works = ()
    live = "lua_code_cache off"
    storm_reloads = 0
    code_cache = "off"

    def reload(self, server):
        pass


class Bun(Peer):
    name = "bun"
    live = "--hot"

    def find(self):
        return packaged("@oven/bun-linux", "bun")

    def command(self, site, live):
        return [self.binary] + (["--hot"] if live else []) + ["server.js"], {"DO_NOT_TRACK": "1"}


class Deno(Peer):
    name = "deno"
    live = "run --watch"

    def find(self):
        return packaged("@deno/linux", "deno")

    def command(self, site, live):
        argv = [self.binary, "run", "--allow-all", "--no-config"] + (["--watch"] if live else [])
        return argv + ["server.js"], {"DENO_DIR": site.path("deno"), "DENO_NO_UPDATE_CHECK": "1"}


class Node(Peer):
    name = "node"
    live = "--watch, saved in place"
    loses_renamed_files = True      # Node 20 goes on watching the file that a rename replaced

    def find(self):
        return shutil.which("node")

    def absent(self):
        if self.binary and not os.path.isdir(os.path.join(MODULES, "fastify")):
            return "node is here but Fastify is not; bench/install-peers installs it"
        if self.binary and int(self.version().split(".")[0]) < NODE_MINIMUM:
            return f"node {self.version()} is too old for Fastify 5, which needs {NODE_MINIMUM}"
        return super().absent()

    def skips(self, work):
        if work in ("user", "order") and not self.has_sqlite():
            return "neither better-sqlite3 nor node:sqlite"
        return super().skips(work)

    def has_sqlite(self):
        if not hasattr(self, "_has_sqlite"):
            test = ("try { new (require('better-sqlite3'))(':memory:') } "
                    "catch { require('node:sqlite') }")
            done = subprocess.run([self.binary, "-e", test], capture_output=True, timeout=20,
                                  env={**os.environ, "NODE_PATH": MODULES}, check=False)
            self._has_sqlite = done.returncode == 0
        return self._has_sqlite

    def command(self, site, live):
        return [self.binary] + (["--watch"] if live else []) + ["server.js"], \
            {"NODE_PATH": MODULES, "NODE_ENV": "production"}


PEERS = (Nginx, NginxUncached, Bun, Deno, Node)
