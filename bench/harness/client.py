"""A plain HTTP client on one raw keep-alive socket, with as little as possible between two polls.

Used to see that a peer answers what the workload asks before it is measured, and to see an edit go
live.
"""
import json
import socket

from harness.process import Failed

GREET = ("POST", "/greet", {"name": "Ada", "items": [3, 4, 5]})
ORDER = ("POST", "/orders", {"user_id": 1, "sku": "ABC-1", "qty": 2, "price_cents": 995})
ANSWERS = {
    "greet": [
        (*GREET, {"greeting": "Hello, Ada!", "sum": 12}),
        ("POST", "/greet", {"name": 5, "items": [3]}, None),
        ("POST", "/greet", {"name": "Ada", "items": [3, "4"]}, None),
    ],
    "user": [
        ("GET", "/users/4711", None,
         {"id": 4711, "name": "User 4711", "email": "user4711@example.com"}),
        ("GET", "/users/10001", None, None),
        ("GET", "/users/x", None, None),
    ],
    "order": [
        (*ORDER, {"id": 1, "total_cents": 1990}),
        (*ORDER, {"id": 2, "total_cents": 1990}),
        ("POST", "/orders", {"user_id": 1, "sku": "ABC-1", "qty": "2", "price_cents": 995}, None),
    ],
}


def request_bytes(method, path, body):
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body is None:
        return (head + "\r\n").encode()
    text = json.dumps(body, separators=(",", ":"))
    head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return (head + text).encode()


class Client:
    def __init__(self, port):
        self.address = ("127.0.0.1", port)
        self.socket = None

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def ask(self, request):
        """The whole answer as bytes. ConnectionError when there is none; the next call connects
        anew.
        """
        try:
            if not self.socket:
                self.socket = socket.create_connection(self.address, timeout=5)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(request)
            answer = self._read_answer()
        except OSError as error:
            self.close()
            raise ConnectionError(str(error)) from error
        if b"onnection: close" in answer:
            self.close()
        return answer

    def _read_answer(self):
        data = b""
        while not _is_whole(data):
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("closed before the answer")
            data += more
        return data


def _is_whole(data):
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return False
    low = head.lower()
    at = low.find(b"content-length:")
    if at >= 0:
        return len(body) >= int(low[at + 15:].split(b"\r\n", 1)[0])
    return body.endswith(b"0\r\n\r\n")


def check_answers(port, work):
    """Asks for one good answer and for refusals; what is not as it should be is a Failed."""
    client = Client(port)
    for method, path, body, expected in ANSWERS[work]:
        answer = client.ask(request_bytes(method, path, body))
        status = int(answer.split(b" ", 2)[1])
        said = f"{method} {path} {json.dumps(body)} was answered {status}"
        if expected is None:
            if not 400 <= status < 500:
                raise Failed(f"{said}, not refused with a 4xx")
        elif status != 200 or json.loads(answer.partition(b"\r\n\r\n")[2]) != expected:
            raise Failed(f"{said} {answer[-200:]!r}, not 200 {json.dumps(expected)}")
    client.close()
