"""Upstream: a server that plugins call, well-behaved or hostile by path, on 127.0.0.1 and a free port.

Counts what it was asked, and how many requests it had at once at most. Invariant: closing it ends
all of its threads' sockets, so that no test waits for one."""

import gzip
import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse


PATTERN = bytes(range(256)) * 256


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def query(self, name, default=None):
        return self.parameters.get(name, [default])[0]

    def answer(self, status=200, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value, status=200, headers=()):
        self.answer(status, json.dumps(value).encode(),
                    (("Content-Type", "application/json"), *headers))

    def raw(self, data):
        self.close_connection = True
        self.wfile.write(data)

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        self.parameters = urllib.parse.parse_qs(url.query)
        length = int(self.headers.get("content-length") or 0)
        self.body = self.rfile.read(length)
        upstream = self.server.upstream
        with upstream.lock:
            upstream.requests.append((self.command, self.path, dict(self.headers), self.body))
            upstream.running += 1
            upstream.most = max(upstream.most, upstream.running)
        try:
            getattr(self, "on_" + url.path.strip("/").replace("-", "_"), self.on_echo)()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True
        finally:
            with upstream.lock:
                upstream.running -= 1

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    # ---- well-behaved

    def on_echo(self):
        self.answer_json({"method": self.command, "path": self.path, "body": self.body.decode(),
                          "headers": {k.lower(): v for k, v in self.headers.items()}})

    def on_slow(self):
        time.sleep(int(self.query("ms")) / 1000)
        self.answer_json("slow")

    def on_status(self):
        after = self.query("retry_after")
        self.answer(int(self.query("code")), b"", [("Retry-After", after)] if after else ())

    def on_flaky(self):
        """503 the first `n` times for a key."""
        upstream = self.server.upstream
        with upstream.lock:
            seen = upstream.flaky.get(self.query("key"), 0)
            upstream.flaky[self.query("key")] = seen + 1
        good = seen >= int(self.query("n"))
        after = self.query("retry_after")
        self.answer(200 if good else 503, str(seen).encode(),
                    [("Retry-After", after)] if after else ())

    def on_redirect(self):
        self.answer(int(self.query("code", "302")), b"", [("Location", self.query("to"))])

    def on_cookies(self):
        self.answer(200, b"", [("Set-Cookie", "a=1; Expires=Sat, 31 Jan 2026 09:30:00 GMT"),
                               ("Set-Cookie", "b=2"), ("X-List", "1"), ("x-list", "2")])

    def on_stream(self):
        """`n` bytes of a pattern by position, with a length, or in chunks: chunked=1. `cut`: only so many."""
        n, cut = int(self.query("n")), int(self.query("cut", "-1"))
        kind = self.query("type", "application/pdf")
        chunked = self.query("chunked")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nX-Note: here\r\n"
        head += "Content-Disposition: attachment; filename=a.pdf\r\n"
        head += "Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {n}\r\n\r\n"
        self.wfile.write(head.encode())
        left = n if cut < 0 else cut
        while left and not self.server.upstream.closed:
            piece = PATTERN[:min(left, len(PATTERN))]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            left -= len(piece)
            with self.server.upstream.lock:
                self.server.upstream.sent += len(piece)
        time.sleep(int(self.query("hang_ms", "0")) / 1000)
        if cut >= 0:
            self.close_connection = True
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    # ---- hostile

    def on_drip(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.server.upstream.closed:
            self.raw(b".")
            time.sleep(0.02)

    def on_huge(self):
        self.answer(200, b"x" * 4_000_000)

    def on_bytes(self):
        """`n` bytes, the last of them after a while."""
        n = int(self.query("n"))
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n + b"x" * (n - 1))
        time.sleep(int(self.query("ms", "0")) / 1000)
        self.raw(b"x")

    def on_endless(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self.server.upstream.closed:
            self.raw(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    def on_odd_type(self):
        self.raw(b"HTTP/1.1 200 OK\r\nX-Note: here\r\nContent-Type: a/\x01b\r\n"
                 b"Content-Disposition: \x02\r\nContent-Length: 3\r\n\r\nabc")

    def on_garbage(self):
        self.raw(b"BLAH blah\r\n\r\n" * 50)

    def on_headers(self):
        self.raw(b"HTTP/1.1 200 OK\r\n")
        while not self.server.upstream.closed:
            self.raw(b"X-More: and more\r\n" * 100)

    def on_interim(self):
        while not self.server.upstream.closed:
            self.raw(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 100)

    def on_close(self):
        self.close_connection = True

    def on_short(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    def on_two_lengths(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 500\r\n\r\nshort")

    def on_bomb(self):
        self.answer(200, gzip.compress(b"\0" * 50_000_000, 1), [("Content-Encoding", "gzip")])

    def on_transfer_bomb(self):
        bomb = gzip.compress(b"\0" * 50_000_000, 1)
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
                 + b"%x\r\n" % len(bomb) + bomb + b"\r\n0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, *_):
        pass


class Upstream:
    def __init__(self, tls=None):
        self.lock = threading.Lock()
        self.requests, self.flaky = [], {}
        self.running = self.most = self.sent = 0
        self.closed = False
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.upstream = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.closed = True
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def make_authority(folder):
    """(certificate, key) of a certificate authority of our own."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=test authority"], check=True, capture_output=True)
    return certificate, key


def make_certificate(folder, authority, names):
    """(certificate, key) for names such as "IP:127.0.0.1", signed by the authority."""
    name = names.replace(":", "_").replace(",", "_")
    request, key, certificate = (folder / f"{name}.{end}" for end in ("csr", "key", "pem"))
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\n")
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=test"], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", authority[0], "-CAkey",
                    authority[1], "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out",
                    certificate], check=True, capture_output=True)
    return certificate, key
