"""greeter, users and orders as a front-end developer meets them: over HTTP, by route and by
universal address."""

import re

import e2e_host
import pytest

pytestmark = pytest.mark.both_engines

RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


@pytest.fixture
def host(shipped):
    return shipped


def register(host, email, name="Ada"):
    answer = host.request("POST", "/users", {"email": email, "name": name})
    assert answer.status == 200, answer
    return answer.json()


# ---- greeter

def test_greet_answers_in_the_language_asked_for(host):
    assert host.request("POST", "/greet", {"name": "Ada"}).json() == {"greeting": "Hello, Ada!"}
    assert host.request("POST", "/greet",
        {"name": "Ada", "language": "de"}).json() == {"greeting": "Hallo, Ada!"}
    assert host.request("POST", "/greet",
        {"name": "小明", "language": "zh"}).json() == {"greeting": "你好，小明！"}


def test_greet_keeps_what_looks_like_a_format(host):
    assert host.ok("greeter.greet", {"name": "%s %d %%"}) == {"greeting": "Hello, %s %d %%!"}


@pytest.mark.parametrize("name",
    ["a" * 64, "é" * 64, "😀" * 64, "\"\\/\b\f\n\r\t", "\u0000", "\u2028"])
def test_greet_takes_any_text_of_up_to_64_characters(host, name):
    assert host.ok("greeter.greet", {"name": name}) == {"greeting": f"Hello, {name}!"}


@pytest.mark.parametrize("body, pointer", [
    ({"name": ""}, "/name"),
    ({"name": "a" * 65}, "/name"),
    ({"name": "é" * 65}, "/name"),
    ({"name": 1}, "/name"),
    ({"name": None}, "/name"),
    ({}, "/name"),
    ({"name": "Ada", "language": "fr"}, "/language"),
    ({"name": "Ada", "nmae": "x"}, "/nmae"),
    ({"name": "Ada", "a/b~c": 1}, "/a~1b~0c"),
])
def test_greet_refuses_input_and_points_at_it(host, body, pointer):
    answer = host.request("POST", "/greet", body)
    assert answer.status == 400
    problem = answer.json()
    assert problem["code"] == "contract_input"
    assert [e["pointer"] for e in problem["errors"]] == [pointer]
    assert all(e["expected"] and e["got"] for e in problem["errors"])


def test_every_offence_is_listed(host):
    problem = host.call("orders.place", {"user_id": 0, "sku": "", "qty": 100, "price": 1}).json()
    assert sorted(e["pointer"] for e in problem["errors"]) == \
        ["/price", "/price_cents", "/qty", "/sku", "/user_id"]


def test_an_unknown_member_comes_with_a_suggestion(host):
    problem = host.call("greeter.greet", {"name": "Ada", "langauge": "de"}).json()
    assert "did you mean 'language'" in str(problem["errors"])


# ---- users

def test_a_registered_user_is_got_found_and_renamed(host):
    user = register(host, "Grace@Example.org", "Grace")
    assert user["email"] == "grace@example.org"
    assert RFC3339.match(user["registered_at"])
    assert host.request("GET", f"/users/{user['id']}").json() == user
    assert host.request("GET", "/users?email=%20GRACE%40example.org").json() == user
    renamed = host.request("PATCH", f"/users/{user['id']}", {"name": "Grace H."})
    assert renamed.status == 200
    assert renamed.json() == {**user, "name": "Grace H."}
    assert host.ok("users.get", {"id": user["id"]})["name"] == "Grace H."


def test_an_email_address_belongs_to_one_user(host):
    register(host, "one@example.org")
    answer = host.request("POST", "/users", {"email": "ONE@example.org", "name": "Other"})
    assert answer.status == 409
    assert answer.json()["code"] == "email_taken"
    assert answer.json()["details"] == {"email": "one@example.org"}


def test_what_is_no_email_address_is_refused(host):
    answer = host.request("POST", "/users", {"email": "nobody", "name": "N"})
    assert (answer.status, answer.json()["code"]) == (422, "invalid_email")


@pytest.mark.parametrize("method, target, body", [
    ("GET", "/users/999999", None),
    ("GET", "/users/9223372036854775807", None),
    ("GET", "/users?email=nobody%40example.org", None),
    ("PATCH", "/users/999999", {"name": "N"}),
    ("GET", "/orders/999999", None),
])
def test_what_is_not_there_is_404_with_its_code(host, method, target, body):
    answer = host.request(method, target, body)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert "capability" in answer.json()


@pytest.mark.parametrize("target, pointer", [
    ("/users/abc", "/id"),
    ("/users/0", "/id"),
    ("/users/-1", "/id"),
    ("/users/1.5", "/id"),
    ("/users/9223372036854775808", "/id"),
    ("/users/%201", "/id"),
    ("/users/1?id=2", "/id"),
    ("/users/1?x=2", "/x"),
    ("/users?email=a&email=b", "/email"),
    ("/users", "/email"),
])
def test_parameters_are_converted_by_the_contract(host, target, pointer):
    answer = host.request("GET", target)
    assert (answer.status, answer.json()["code"]) == (400, "contract_input"), answer
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_body_cannot_contradict_the_path(host):
    one, two = register(host, "path1@example.org"), register(host, "path2@example.org")
    answer = host.request("PATCH", f"/users/{one['id']}", {"id": two["id"], "name": "Mallory"})
    assert answer.status == 400, answer
    assert host.ok("users.get", {"id": two["id"]})["name"] == "Ada"


def test_text_is_stored_as_it_came(host, engine):
    """PostgreSQL has no texts with U+0000, and says so."""
    name = "Zoë \u0000 \"'; drop table users; -- 😀"
    if engine.name == "postgresql":
        assert host.call("users.register", {"email": "odd@example.org", "name": name}).status == 500
        name = name.replace("\0", "")
    user = register(host, "odd@example.org", name)
    assert user["name"] == name
    assert host.ok("users.get", {"id": user["id"]})["name"] == name


# ---- orders

def place(host, user, sku="tea", qty=1, price=250):
    answer = host.request("POST", "/orders",
        {"user_id": user, "sku": sku, "qty": qty, "price_cents": price})
    assert answer.status == 200, answer
    return answer.json()


def test_an_order_is_placed_and_got(host):
    placed = place(host, 5, qty=3)
    assert placed["total_cents"] == 750
    order = host.request("GET", f"/orders/{placed['id']}").json()
    assert RFC3339.match(order.pop("placed_at"))
    assert order == {"id": placed["id"], "user_id": 5, "sku": "tea", "qty": 3, "total_cents": 750}


def test_orders_are_listed_in_pages_newest_first(host):
    ids = [place(host, 77)["id"] for _ in range(45)]
    seen, target, pages = [], "/users/77/orders", 0
    while target:
        page = host.request("GET", target).json()
        seen += [o["id"] for o in page["orders"]]
        pages += 1
        target = f"/users/77/orders?before={page['next']}" if page["next"] is not None else None
    assert (seen, pages) == (ids[::-1], 3)


def test_a_page_that_is_just_full_is_the_last(host):
    for _ in range(4):
        place(host, 78)
    page = host.request("GET", "/users/78/orders?limit=4").json()
    assert (len(page["orders"]), page["next"]) == (4, None)
    page = host.request("GET", "/users/78/orders?limit=3").json()
    assert (len(page["orders"]), page["next"]) == (3, page["orders"][-1]["id"])


def test_no_orders_are_an_empty_list(host):
    answer = host.request("GET", "/users/4242/orders")
    assert answer.body == b'{"next":null,"orders":[]}'


@pytest.mark.parametrize("target",
    ["/users/1/orders?limit=0", "/users/1/orders?limit=101", "/users/1/orders?limit=",
                                    "/users/1/orders?before=x"])
def test_paging_is_checked(host, target):
    assert host.request("GET", target).status == 400


# ---- what all of them share

def test_every_answer_says_its_generation_and_trace(host):
    answer = host.request("GET", "/users/999999")
    assert answer.generation.startswith("users@1.0.0#")
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["pinion-trace-id"])
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["trace_id"] == answer.headers["pinion-trace-id"]
    assert problem["generation"] == answer.generation
    assert problem["capability"] == "users.get"
    assert (problem["status"], problem["title"]) == (404, "Not Found")


def test_traces_differ_from_call_to_call(host):
    traces = {host.call("greeter.greet", {"name": "A"}).headers["pinion-trace-id"]
        for _ in range(20)}
    assert len(traces) == 20


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_traceparent_is_adopted(host):
    answer = host.request("POST", "/greet", {"name": "A"},
        [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")])
    assert answer.headers["pinion-trace-id"] == TRACE


@pytest.mark.parametrize("parent", ["", "00", "0" * 60, f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
                                    f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}",
                                        f"00-{TRACE[:-1]}g-00f067aa0ba902b7-01"])
def test_a_traceparent_that_is_none_is_not_adopted(host, parent):
    answer = host.request("POST", "/greet", {"name": "A"}, [("traceparent", parent)])
    assert answer.status == 200
    assert answer.headers["pinion-trace-id"] not in (TRACE, TRACE.upper(), "0" * 32)


def test_commands_and_queries_have_a_universal_address(host):
    user = host.ok("users.register", {"email": "universal@example.org", "name": "U"})
    assert host.ok("users.get", {"id": user["id"]}) == user
    assert host.ok("users.find", {"email": "universal@example.org"}) == user


@pytest.mark.parametrize("target",
    ["/call/users.nothing", "/call/nobody.get", "/call/users", "/call/users.get/1",
                                    "/call/users.get.x", "/call/.", "/call", "/nothing", "/",
                                        "/users/1/2"])
def test_an_address_that_nobody_serves_is_404(host, target):
    answer = host.request("POST", target, {})
    assert answer.status == 404
    assert answer.json()["code"] == "not_found"


def test_a_shipped_folder_is_complete(host):
    served = {p["name"] for p in host.status()["plugins"]}
    assert served == {p.name for p in e2e_host.PLUGINS.iterdir() if (p / "init.lua").exists()}
