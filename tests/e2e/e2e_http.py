"""A small HTTP/1.1 client over raw sockets, for tests that care about every byte.

Invariant: it reads exactly one answer at a time and never hides what the server did: an answer that
is not well formed, a connection that ends early or a byte too many is an error of the test."""

import json
import socket


class Broken(Exception):
    """The server closed, reset, or wrote something that is no HTTP answer."""


class Answer:
    """One answer: status, headers (lower-case names), body, and the connection's fate."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def generation(self):
        return self.headers.get("pinion-generation")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


def parse_address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def parse_head(head):
    """(status, headers) of a head without its empty line; a repeated name is an error."""
    lines = head.decode("latin-1").split("\r\n")
    version, status, _ = lines[0].split(" ", 2)
    if version != "HTTP/1.1":
        raise Broken(f"not an answer: {lines[0]!r}")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        if name.lower() in headers:
            raise Broken(f"header {name!r} twice")
        headers[name.lower()] = value.strip()
    return int(status), headers


def take_chunks(data):
    """(body, rest) when `data` begins with a complete chunked body, else None."""
    body, at = b"", 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at:end], 16)
        at = end + 2 + size + 2
        if len(data) < at:
            return None
        if data[at - 2:at] != b"\r\n":
            raise Broken("a chunk does not end with a line")
        if size == 0:
            return body, data[at:]
        body += data[end + 2:at - 2]


def take_answer(data, is_head=False):
    """(answer, rest) when `data` begins with a complete answer, else None. Interim answers are
    passed over."""
    while True:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return None
        status, headers = parse_head(bytes(data[:end]))
        data = data[end + 4:]
        if status >= 200:
            break
    if not is_head and headers.get("transfer-encoding") == "chunked":
        taken = take_chunks(data)
        return taken and (Answer(status, headers, taken[0]), taken[1])
    length = 0 if is_head or status in (204, 304) else int(headers["content-length"])
    if len(data) < length:
        return None
    return Answer(status, headers, bytes(data[:length])), data[length:]


def request_bytes(method, target, body=None, headers=(), host="test"):
    """A well-formed request. `body` is bytes, text, or anything JSON can say."""
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Connection:
    """One client connection."""

    def __init__(self, address, timeout=10):
        self.socket = socket.create_connection(parse_address(address), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffered = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """More bytes into the buffer; False at the end."""
        data = self.socket.recv(65536)
        self.buffered += data
        return bool(data)

    def answer(self, is_head=False):
        """The next answer."""
        while True:
            taken = take_answer(self.buffered, is_head)
            if taken:
                self.buffered = taken[1]
                return taken[0]
            if not self.receive():
                raise Broken(f"closed in the middle of an answer: {self.buffered[:200]!r}")

    def request(self, method, target, body=None, headers=()):
        self.send(request_bytes(method, target, body, headers))
        return self.answer(is_head=method == "HEAD")

    def read_to_end(self):
        """All that comes until the server closes; a reset counts as an end."""
        try:
            while self.receive():
                pass
        except ConnectionResetError:
            pass
        data, self.buffered = self.buffered, b""
        return data

    def is_closed(self):
        """Waits until the server closes without having sent anything more."""
        return self.read_to_end() == b""


def call(address, method, target, body=None, headers=(), timeout=10):
    """One request on a connection of its own."""
    with Connection(address, timeout) as c:
        return c.request(method, target, body, headers)


def split_answers(data):
    """All answers in `data`, which must end with the last one."""
    answers = []
    while data:
        taken = take_answer(data)
        if not taken:
            raise Broken(f"an answer that is cut off: {data[:200]!r}")
        answers.append(taken[0])
        data = taken[1]
    return answers
