"""Methods, paths and queries as seen from outside: HEAD, OPTIONS, 405, and one normal form of a
path before routing."""

import e2e_http
import pytest


@pytest.fixture(scope="module")
def host(shipped):
    shipped.ok("users.register", {"email": "ada@example.org", "name": "Ada"})
    return shipped


def test_head_is_get_without_its_body(host):
    with host.connect() as c:
        full = c.request("GET", "/users/1")
        head = c.request("HEAD", "/users/1")
        again = c.request("GET", "/users/1")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(full.body)
    assert head.generation == full.generation
    assert again.body == full.body


def test_head_of_what_is_not_there_has_no_body(host):
    with host.connect() as c:
        assert (c.request("HEAD", "/users/999").status,
            c.request("HEAD", "/nothing").status) == (404, 404)
        assert c.request("GET", "/users/1").status == 200


@pytest.mark.parametrize("target, allow", [
    ("/users", {"GET", "HEAD", "POST", "OPTIONS"}),
    ("/users/1", {"GET", "HEAD", "PATCH", "OPTIONS"}),
    ("/greet", {"POST", "OPTIONS"}),
    ("/call/greeter.greet", {"POST", "OPTIONS"}),
])
def test_options_and_405_say_what_is_allowed(host, target, allow):
    options = host.request("OPTIONS", target)
    assert (options.status, options.body) == (204, b"")
    assert {m.strip() for m in options.headers["allow"].split(",")} == allow
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allow:
        refused = host.request(method, target, {})
        assert refused.status == 405, (method, refused)
        assert {m.strip() for m in refused.headers["allow"].split(",")} == allow
        assert refused.json()["code"] == "method_not_allowed"


def test_options_of_the_host_is_answered(host):
    assert host.request("OPTIONS", "*").status in (200, 204)


def test_options_of_an_unknown_address_is_404(host):
    assert host.request("OPTIONS", "/nothing").status == 404


@pytest.mark.parametrize("target", [
    "/users/1", "/users//1", "//users/1", "/users/1/", "/./users/./1", "/a/../users/1",
        "/users/2/../1", "/users/%31",
    "/%75sers/1", "/users/1?", "/%2e/users/1", "/a/%2E%2e/users/1", "/a/b/../../users/1",
        "/users/1/.",
    "http://anything/users/1", "http://[::1]:80/users/1",
])
def test_a_path_has_one_normal_form(host, target):
    answer = host.request("GET", target)
    assert (answer.status, answer.json()["id"]) == (200, 1), answer


@pytest.mark.parametrize("target",
    ["/users%2F1", "/users%2f1", "/users/1%2F", "/Users/1", "/users;x/1", "/users%5C1"])
def test_an_encoded_slash_is_no_separator(host, target):
    assert host.request("GET", target).status in (400, 404)


@pytest.mark.parametrize("target",
    ["/..", "/../users/1", "/users/../../users/1", "/%2e%2e/users/1", "/users/%", "/users/%4",
                                    "/users/%zz", "/users/%00", "/users/%0a", "/users/%ff",
                                        "/users/%c0%af"])
def test_a_path_that_cannot_be_normal_is_400(host, target):
    assert host.request("GET", target).status == 400


@pytest.mark.parametrize("query", ["email=%zz", "email=%", "email=%ff"])
def test_a_query_that_cannot_be_read_is_400(host, query):
    answer = host.request("GET", f"/users?{query}")
    assert answer.status == 400, answer
    assert answer.json()["code"] in ("invalid_query", "contract_input")


def test_a_query_string_is_decoded_once(host):
    host.ok("users.register", {"email": "a%2b+b@example.org", "name": "Plus"})
    assert host.request("GET", "/users?email=a%252b%2bb%40example.org").json()["name"] == "Plus"
    assert host.request("GET", "/users?email=a%252b+b%40example.org").status == 404


def test_pipelined_requests_are_answered_in_order(host):
    requests = b"".join(e2e_http.request_bytes("POST", "/greet", {"name": str(i)})
        for i in range(200))
    with host.connect() as c:
        c.send(requests)
        assert [c.answer().json()["greeting"] for _ in range(200)] == [f"Hello, {i}!"
            for i in range(200)]


def test_pipelined_commands_are_answered_in_order(host):
    """Some run elsewhere: a later answer that is ready first must wait."""
    with host.connect() as c:
        for i in range(50):
            c.send(e2e_http.request_bytes("POST", "/users",
                {"email": f"pipe{i}@example.org", "name": "P"}))
            c.send(e2e_http.request_bytes("POST", "/orders",
                {"user_id": 1, "sku": f"s{i}", "qty": 1, "price_cents": i}))
            c.send(e2e_http.request_bytes("POST", "/greet", {"name": str(i)}))
        for i in range(50):
            assert c.answer().json()["email"] == f"pipe{i}@example.org"
            assert c.answer().json()["total_cents"] == i
            assert c.answer().json()["greeting"] == f"Hello, {i}!"


def test_a_request_may_come_byte_by_byte(host):
    with host.connect() as c:
        for byte in e2e_http.request_bytes("POST", "/greet", {"name": "slow"}):
            c.send(bytes([byte]))
        assert c.answer().json() == {"greeting": "Hello, slow!"}


def test_a_chunked_body_is_read_and_its_trailers_are_discarded(host):
    with host.connect() as c:
        c.send(b"POST /greet HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5;ext=1\r\n{\"nam\r\n0a\r\ne\":\"Ada!\"}\r\n0\r\nX-Trailer: 1\r\n\r\n")
        assert c.answer().json() == {"greeting": "Hello, Ada!!"}
        assert c.request("GET", "/users/1").status == 200


def test_expect_100_continue_is_answered_before_the_body(host):
    with host.connect() as c:
        c.send(
            b"POST /greet HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 14\r\n\r\n")
        while b"\r\n\r\n" not in c.buffered:
            assert c.receive()
        assert c.buffered == b"HTTP/1.1 100 Continue\r\n\r\n"
        c.buffered = b""
        c.send(b'{"name":"Ada"}')
        assert c.answer().json() == {"greeting": "Hello, Ada!"}


def test_a_body_too_large_is_refused_before_it_is_sent(host):
    with host.connect() as c:
        c.send(
            b"POST /greet HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 1048577\r\n\r\n")
        assert c.answer().status == 413
        assert c.is_closed()


def test_a_body_of_just_the_limit_is_read(host):
    body = b'{"name":"Ada"' + b" " * (1048576 - 14) + b"}"
    assert host.request("POST", "/greet", body).status == 200


def test_connection_close_is_obeyed(host):
    with host.connect() as c:
        assert c.request("GET", "/users/1",
            headers=[("Connection", "close")]).headers["connection"] == "close"
        assert c.is_closed()


def test_http_1_0_is_answered_and_closed(host):
    with host.connect() as c:
        c.send(b"GET /users/1 HTTP/1.0\r\n\r\n")
        assert c.answer().status == 200
        assert c.is_closed()


def test_clients_that_vanish_harm_nobody(host):
    for i in range(100):
        with host.connect() as c:
            c.send(e2e_http.request_bytes("POST", "/orders",
                {"user_id": 9, "sku": "x", "qty": 1, "price_cents": i})[:20 + i])
        with host.connect() as c:
            c.send(e2e_http.request_bytes("POST", "/orders",
                {"user_id": 9, "sku": "x", "qty": 1, "price_cents": i}))
    assert host.request("GET", "/users/1").status == 200
    assert all(w["respawns"] == 0 for w in host.status()["workers"])


@pytest.mark.parametrize("content_type, status", [
    ("text/plain", 415), ("application/x-www-form-urlencoded", 415), (None, 415),
    ("application/json", 200), ("Application/JSON; charset=utf-8", 200)])
def test_a_page_elsewhere_cannot_post_through_a_visitors_browser(host, content_type, status):
    """A browser names the page's origin, and may send a form's content types without asking."""
    headers = [("Origin", "http://elsewhere.example")]
    if content_type:
        headers.append(("Content-Type", content_type))
    answer = host.request("POST", "/greet", {"name": "Ada"}, headers=headers)
    assert answer.status == status
    if status == 415:
        assert answer.json()["code"] == "not_json"


def test_a_browser_may_read(host):
    answer = host.request("GET", "/users/1", headers=[("Origin", "http://elsewhere.example")])
    assert answer.status == 200
