"""Redis: real servers under test, and one that says what a test wants; a plugin "shop" that runs the code it is given.

Invariant: it ends only processes and threads that it started."""

import pathlib
import shutil
import signal
import socket
import subprocess
import threading

import e2e_host
import e2e_plugins

BINDING = pathlib.Path(e2e_host.BINARY).resolve().parent / "bindings" / "redis.so"
SERVER = shutil.which("redis-server")
MISSING = not SERVER or not BINDING.exists()

SHOP = """
plugin:action "act" {{ input = {{ code = t.string }}, output = t.any, run = function(ctx, input)
    return assert(load("local ctx = ... " .. input.code, "=code"))(ctx)
end }}
plugin:query "get" {{ input = {{ key = t.string }}, output = t.any, run = function(ctx, input)
    return ctx.redis:get(input.key)
end }}
plugin:query "version" {{ output = t.string, run = function() return "{version}" end }}
"""


class Server:
    """One redis-server on a Unix socket, and on a port when it is given one."""

    def __init__(self, folder, port=0, arguments=()):
        self.folder, self.port, self.arguments = folder, port, list(arguments)
        self.socket = folder / "redis.sock"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket), "--save", "",
             "--dir", str(self.folder), *self.arguments], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        e2e_host.wait_until("redis", self.answers)
        return self

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(str(self.socket))
                s.sendall(b"PING\r\n")
                return s.recv(64) != b""
        except OSError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Fake:
    """A server on a port of 127.0.0.0/8. `answer(words, connection)` gives the bytes of each answer, None to say
    nothing, or False to close; `connection` counts from 1. `seen` are all commands but those of logging in."""

    def __init__(self, answer, host="127.0.0.1", port=0):
        self.answer, self.seen, self.connections, self.sockets = answer, [], 0, []
        self.listener = socket.create_server((host, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.sockets.append(connection)
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection, self.connections), daemon=True).start()

    def serve(self, connection, number):
        try:
            with connection, connection.makefile("rb") as stream:
                while line := stream.readline():
                    words = [stream.read(int(stream.readline()[1:]) + 2)[:-2].decode() for _ in range(int(line[1:]))]
                    if words[0] not in ("PING", "AUTH", "SELECT"):
                        self.seen.append(words)
                    answer = self.answer(words, number)
                    if answer is False:
                        return
                    connection.sendall(answer or b"")
        except OSError:
            pass

    def close(self):
        for s in (self.listener, *self.sockets):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


def starter(folder, start_host):
    """start(url, …) gives a host with the binding and the plugin; what is not named here is the binding's configuration."""
    def start(url, workers=1, wall_ms=10000, others=None, **config):
        e2e_host.write(folder / "plugins" / "shop" / "init.lua",
                       shop(needs=("binding redis", *(f"binding {n}" for n in others or ())), wall_ms=int(wall_ms * e2e_host.SLOW)))
        return start_host(folder / "plugins", workers=workers, config={
            "bindings": {"redis": {"path": str(BINDING), "config": {"url": url, **config}}, **(others or {})}})
    return start


def shop(version="1.0.0", needs=("binding redis",), **limits):
    return e2e_plugins.plugin(SHOP.format(version=version), version=version, needs=list(needs),
                              limits={"cpu_ms": 5000, "memory_mb": 64, **limits})


def lua(host, code):
    return host.ok("shop.act", {"code": code})


def code_of(host, call):
    """The code of the error that a call of redis ends with."""
    return lua(host, f"local v, err = ctx.redis:{call} assert(v == nil) return err.code")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
