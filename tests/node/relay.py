"""Relay: serves the files of a folder and passes /call/* on to a host, so that a page of its own
origin reaches the host; breaks calls on demand, and takes what a page reports.

A request with X-Break "HOW WHAT TIMES" is broken TIMES times per X-Key: "503 CODE" answers with a
problem and Retry-After, "STATUS page" with what is no JSON, "close -" ends the connection before
an answer, "cut -" within it. Invariant: a broken request never reaches the host."""

import collections
import http.client
import http.server
import json
import pathlib
import socket
import threading

TYPES = {".js": "text/javascript", ".html": "text/html; charset=utf-8"}
KEPT = ("content-type", "pinion-generation", "pinion-trace-id", "retry-after")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # one request a connection: browsers resend on one that they reuse

    def log_message(self, *_):
        pass

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def do_GET(self):
        path = self.server.relay.folder / self.path.lstrip("/")
        if path.suffix in TYPES and path.is_file():
            self.send(200, path.read_bytes(), [("Content-Type", TYPES[path.suffix])])
        else:
            self.send(404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        relay = self.server.relay
        if self.path == "/report":
            relay.report = json.loads(body)
            relay.reported.set()
            self.send(204, b"")
        elif not self.breaks():
            self.pass_on(body)

    def breaks(self):
        how, what, times = self.headers.get("X-Break", "none - 0").split()
        self.server.relay.broken[self.headers.get("X-Key")] += 1
        if self.server.relay.broken[self.headers.get("X-Key")] > int(times):
            return False
        if how == "close":
            self.end_connection()
        elif how == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            self.end_connection()
        elif what == "page":
            self.send(int(how), b"<html>", [("Content-Type", "text/html")])
        else:
            problem = {"status": int(how), "title": "broken", "code": what}
            self.send(int(how), json.dumps(problem).encode(), [("Retry-After", "1")])
        return True

    def end_connection(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def pass_on(self, body):
        upstream = http.client.HTTPConnection(self.server.relay.listen, timeout=30)
        headers = {name: value for name, value in self.headers.items()
            if name.lower() not in ("host", "connection", "content-length")}
        try:
            upstream.request("POST", self.path, body, headers)
            answer = upstream.getresponse()
            self.send(answer.status, answer.read(),
                [(name, value) for name, value in answer.getheaders() if name.lower() in KEPT])
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()


class Relay:
    """Listens on a free port from its making to close()."""

    def __init__(self, listen, folder):
        self.listen, self.folder = listen, pathlib.Path(folder)
        self.broken = collections.Counter()
        self.report, self.reported = None, threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a caller that went away
        self.server.relay = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
