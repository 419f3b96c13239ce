"""A command that arrives at another worker than its home is run there, and whoever has its answer
reads what it wrote."""

import json
import threading

import e2e_host
import e2e_load
import pytest
from e2e_http import request_bytes


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = e2e_host.Host(tmp_path_factory.mktemp("forward"), e2e_host.PLUGINS, mode="serve",
        workers=2)
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()


def connections_to_each_worker(host, each=6):
    """The worker that has the fewest takes the next, so one after another is enough."""
    connections = []
    for _ in range(2 * each):
        c = host.connect()
        assert c.request("POST", "/greet", {"name": "A"}).status == 200
        connections.append(c)
    return connections


def test_connections_are_shared_out_evenly(host):
    connections = connections_to_each_worker(host, each=20)
    counts = [w["connections"] for w in host.status()["workers"]]
    assert sum(counts) == 40 and abs(counts[0] - counts[1]) <= 2, counts
    for c in connections:
        c.close()


def test_what_one_connection_wrote_all_others_read(host):
    connections = connections_to_each_worker(host)
    for number in range(60):
        writer = connections[number % len(connections)]
        answer = writer.request("POST", "/users",
            {"email": f"f{number}@example.org", "name": f"F{number}"})
        assert answer.status == 200, answer
        assert answer.generation == "users@1.0.0#1"
        user = answer.json()
        for reader in connections:
            seen = reader.request("GET", f"/users/{user['id']}")
            assert (seen.status, seen.body and seen.json()) == (200, user)
    for c in connections:
        c.close()


def test_problems_come_back_as_they_are(host):
    user = host.request("POST", "/users", {"email": "problems@example.org", "name": "P"}).json()
    for c in connections_to_each_worker(host):
        with c:
            taken = c.request("POST", "/users", {"email": "problems@example.org", "name": "P"},
                              [("traceparent",
                                  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
            assert (taken.status, taken.json()["code"]) == (409, "email_taken")
            assert taken.headers["content-type"] == "application/problem+json"
            assert taken.json()["trace_id"] == taken.headers[
                "pinion-trace-id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
            assert taken.json()["generation"] == taken.generation
            bad = c.request("PATCH", f"/users/{user['id']}", {"name": 1})
            assert (bad.status, bad.json()["errors"][0]["pointer"]) == (400, "/name")
            named = c.request("PATCH", f"/users/{user['id']}", {"name": "Q"})
            assert (named.status, named.json()["name"]) == (200, "Q")


def test_ids_are_unique_and_without_gaps(host):
    lock, ids, numbers = threading.Lock(), [], iter(range(10**9))

    def make(_):
        with lock:
            return request_bytes("POST", "/orders",
                {"user_id": 1, "sku": f"s{next(numbers)}", "qty": 1, "price_cents": 5})

    def check(answer, _):
        if answer.status != 200:
            return f"{answer}"
        ids.append(json.loads(answer.body)["id"])
        return None

    with e2e_load.Load(host.listen, make, check, connections=32) as load:
        load.wait_for(1000)
    assert load.failures == []
    assert sorted(ids) == list(range(1, len(ids) + 1))
    assert host.request("GET", f"/orders/{len(ids)}").status == 200


def test_large_commands_are_forwarded_whole(host):
    name = "é" * 100
    for c in connections_to_each_worker(host):
        with c:
            padding = b" " * 500000
            body = b'{"name":' + padding + json.dumps(name).encode() + padding + b"}"
            assert c.request("PATCH", "/users/1", body).json()["name"] == name


def test_clients_that_leave_before_the_answer_harm_nobody(host):
    for number in range(200):
        with host.connect() as c:
            c.send(request_bytes("POST", "/orders",
                {"user_id": 3, "sku": "gone", "qty": 1, "price_cents": number}))
    assert host.request("GET", "/users/3/orders").status == 200
    assert all(worker["respawns"] == 0 for worker in host.status()["workers"])
