"""Idempotency-Key: a command with the same key is done once, and answered the same for a day."""

import concurrent.futures

import e2e_host
import e2e_plugins
import e2e_postgres
import pytest

pytestmark = pytest.mark.both_engines

SHOP = """
local input = { sku = t.string, how = t.optional(t.string) }
local function place(ctx, input)
    local id = ctx.db:value("insert into rows(sku) values ($1) returning id", input.sku)
    if input.how == "refuse" then ctx:fail("sold_out", { left = ctx.db:value("select count(*) from rows") }) end
    if input.how == "break" then error("broken") end
    return { id = id, release = RELEASE }
end
plugin:command "place" { http = "POST /orders/{sku}", input = input,
    output = { id = t.integer, release = t.integer }, errors = { sold_out = 409 }, run = place }
plugin:command "other" { input = input, output = { id = t.integer, release = t.integer },
    errors = { sold_out = 409 }, run = place }
plugin:command "quiet" { input = { sku = t.string }, run = function(ctx, input) place(ctx, input) end }
plugin:query "count" { output = t.integer, run = function(ctx)
    return ctx.db:value("select count(*) from rows") end }
"""
SCHEMA = "create table rows (id integer primary key, sku text not null);"


def source(release):
    return e2e_plugins.plugin(SHOP.replace("RELEASE", str(release)), version=f"1.0.{release}", needs=["db"])


@pytest.fixture
def shop(folder):
    directory = folder / "plugins" / "shop"
    e2e_postgres.migration(directory, "0001_rows", SCHEMA)
    e2e_host.write(directory / "init.lua", source(1))
    return directory


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def host(shop, start_host, request):
    return start_host(shop, mode="serve", workers=request.param)


def place(host, key, body, capability="shop.place", **more):
    headers = [("Idempotency-Key", key)] if isinstance(key, str) else [("idempotency-key", k) for k in key]
    return host.request("POST", more.get("path", f"/call/{capability}"), body, headers)


def test_the_same_key_is_answered_the_same(host):
    first = place(host, "a", {"sku": "x"})
    assert (first.status, first.headers.get("idempotency-replayed")) == (200, None)
    for _ in range(5):  # over connections to both workers
        again = place(host, "a", {"sku": "x"})
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["idempotency-replayed"] == "true"
    assert place(host, "b", {"sku": "x"}).json()["id"] == 2
    assert host.ok("shop.count") == 2


def test_another_input_under_the_same_key_is_refused(host):
    first = place(host, "a", {"sku": "x"})
    assert first.status == 200
    other = place(host, "a", {"sku": "y"})
    assert (other.status, other.json()["code"]) == (422, "idempotency_key_reused")
    # What the path says is input too.
    by_path = place(host, "p", None, path="/orders/x")
    assert by_path.status == 200
    assert place(host, "p", None, path="/orders/x").body == by_path.body
    assert place(host, "p", None, path="/orders/y").status == 422
    assert host.ok("shop.count") == 2


def test_each_capability_has_its_own_keys(host):
    assert place(host, "a", {"sku": "x"}).json()["id"] == 1
    assert place(host, "a", {"sku": "x"}, "shop.other").json()["id"] == 2


def test_a_declared_error_is_an_answer_and_others_are_tried_anew(host):
    refused = place(host, "a", {"sku": "x", "how": "refuse"})
    assert (refused.status, refused.json()["details"]) == (409, {"left": 1})
    assert place(host, "b", {"sku": "x"}).status == 200
    again = place(host, "a", {"sku": "x", "how": "refuse"})
    assert (again.status, again.body) == (409, refused.body)
    assert again.headers["content-type"] == "application/problem+json"
    for _ in range(2):
        broken = place(host, "c", {"sku": "x", "how": "break"})
        assert (broken.status, broken.headers.get("idempotency-replayed")) == (500, None)
    assert place(host, "d", {"wrong": 1}).status == 400
    assert place(host, "d", {"sku": "x"}).status == 200
    assert host.ok("shop.count") == 2


def test_an_answer_without_a_body_is_kept_too(host):
    for replayed in (None, "true"):
        quiet = place(host, "a", {"sku": "x"}, "shop.quiet")
        assert (quiet.status, quiet.body) == (204, b"")
        assert quiet.headers.get("idempotency-replayed") == replayed
    assert host.ok("shop.count") == 1


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "\xe9", ["a", "b"], ["a", "a"]], ids=ascii)
def test_a_key_that_is_none_is_refused(host, key):
    bad = place(host, key, {"sku": "x"})
    assert (bad.status, bad.json()["code"]) == (400, "invalid_idempotency_key")
    assert host.ok("shop.count") == 0
    assert place(host, "k" * 255, {"sku": "x"}).status == 200


def test_many_at_once_with_one_key_are_one(host):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: place(host, "a", {"sku": "x"}), range(60)))
    assert {(a.status, a.body) for a in answers} == {(200, answers[0].body)}
    assert host.ok("shop.count") == 1


def test_invariant_4_the_answer_is_kept_through_a_crash_and_a_release(shop, start_host):
    host = start_host(shop, mode="serve")
    first = place(host, "a", {"sku": "x"})
    host.kill()
    e2e_host.write(shop / "init.lua", source(2))
    host.start()
    again = place(host, "a", {"sku": "x"})
    assert (again.status, again.body) == (200, first.body)
    assert again.json()["release"] == 1
    assert again.headers["pinion-generation"].startswith("shop@1.0.2#")
    assert place(host, "b", {"sku": "x"}).json() == {"id": 2, "release": 2}
