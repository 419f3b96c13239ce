"""Load: many keep-alive connections that send the next request as soon as they have their answer,
each answer verified.

One thread and one selector, so that a test can do its work beside it. Invariant: every request that
was sent is counted either as an answer or as a failure, also those under way when it stops."""

import selectors
import socket
import threading
import time

import e2e_http


class Client:
    """One connection of a load and its request under way."""

    def __init__(self, load, number):
        self.load = load
        self.number = number
        self.socket = None
        self.buffered = b""
        self.sent_at = 0.0
        self.sent = None
        self.served = 0

    def connect(self):
        self.socket = socket.create_connection(self.load.address, timeout=self.load.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffered = b""
        self.served = 0
        self.load.selector.register(self.socket, selectors.EVENT_READ, self)

    def disconnect(self):
        if self.socket:
            self.load.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None

    def send(self):
        self.sent = self.load.make(self.number)
        self.sent_at = time.monotonic()
        self.socket.sendall(self.sent)

    def start(self):
        try:
            if not self.socket:
                self.connect()
            self.send()
        except OSError as error:
            self.fail(f"cannot send: {error!r}")

    def fail(self, reason):
        self.load.failures.append(f"connection {self.number}, request {self.served + 1}: {reason}")
        self.disconnect()
        self.sent = None
        if self.load.retry:
            self.load.idle.append(self)

    def readable(self):
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            self.fail(repr(error))
            return
        if not data:
            self.fail("closed before the answer")
            return
        self.buffered += data
        try:
            taken = e2e_http.take_answer(self.buffered)
        except (ValueError, KeyError, e2e_http.Broken) as error:
            self.fail(f"no answer: {error!r}")
            return
        if taken:
            self.buffered = taken[1]
            self.finish(taken[0])

    def finish(self, answer):
        load, sent = self.load, self.sent
        self.served += 1
        self.sent = None
        load.count += 1
        load.slowest = max(load.slowest, time.monotonic() - self.sent_at)
        reason = load.check(answer, sent)
        if self.buffered:
            reason = "bytes behind the answer"
        if reason:
            self.fail(reason)
            return
        if load.renew_after and self.served >= load.renew_after:
            self.disconnect()
        load.idle.append(self)


class Load:
    """`make(connection number)` gives the next request's bytes; `check(answer, sent)` gives a
    reason or None.

    `renew_after` closes a connection after so many answers and opens a new one, to see that the
    listener stays open; `retry` opens a new connection after a failure, which is counted all the
    same."""

    def __init__(self, address, make, check, connections=64, renew_after=0, retry=False,
            timeout=20):
        self.address = e2e_http.parse_address(address)
        self.make = make
        self.check = check
        self.renew_after = renew_after
        self.retry = retry
        self.timeout = timeout
        self.selector = selectors.DefaultSelector()
        self.clients = [Client(self, i) for i in range(connections)]
        self.idle = []
        self.failures = []
        self.count = 0
        self.slowest = 0.0
        self.stopping = False
        self.crash = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.wait_for(1)
        return self

    def __exit__(self, kind, *_):
        self.stopping = True
        self.thread.join(self.timeout + 5)
        if kind is None:
            assert not self.thread.is_alive(), "the load did not end"
            assert self.crash is None, self.crash

    def wait_for(self, more):
        """Waits for so many more answers, or for the load's end."""
        until, wanted = time.monotonic() + self.timeout, self.count + more
        while self.count < wanted and self.thread.is_alive() and time.monotonic() < until:
            time.sleep(0.002)
        assert self.count >= wanted, f"no answers: {self.failures[:3]}"

    def run(self):
        try:
            self.loop()
        except Exception as error:  # pylint: disable=broad-except
            self.crash = error
        finally:
            for client in self.clients:
                client.disconnect()
            self.selector.close()

    def loop(self):
        for client in self.clients:
            client.start()
        checked_at = time.monotonic()
        while self.under_way():
            for key, _ in self.selector.select(0.05):
                if key.data.socket is key.fileobj:
                    key.data.readable()
            self.start_idle()
            if time.monotonic() - checked_at > 0.2:
                checked_at = time.monotonic()
                self.fail_late(checked_at)

    def under_way(self):
        return self.idle or any(client.sent is not None for client in self.clients)

    def start_idle(self):
        idle, self.idle = self.idle, []
        if not self.stopping:
            for client in idle:
                client.start()

    def fail_late(self, now):
        for client in self.clients:
            if client.sent is not None and now - client.sent_at > self.timeout:
                client.fail(f"no answer within {self.timeout} s")
