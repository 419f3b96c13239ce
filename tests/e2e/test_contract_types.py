"""Contracts over HTTP: headers as input, versions side by side, unions, named types, JSON Schemas; with
two workers, so that commands are also forwarded."""

import e2e_host
import e2e_plugins
import pytest

SHOP = """
local line = plugin:type "line" { sku = t.string { pattern = "^[a-z]+$" }, parts = t.optional(t.array(t.ref "line")) }
local method = t.union("kind", { card = { number = t.string { min_length = 4 } }, cash = {} })

plugin:query "search" {
    http = "GET /search/{word}", headers = { client = "X-Client", level = "X-Level" },
    input = { word = t.string, page = t.integer { min = 1, default = 1 }, tags = t.array(t.string) { unique = true, default = {} },
        client = t.optional(t.string), level = t.optional(t.integer) },
    output = t.any, run = function(_, input) return input end,
}

for version = 1, 2 do
    plugin:command "place" {
        version = version, http = version == 2 and "POST /orders" or nil,
        input = { line = line, pay = method, note = t.json_schema "note.json" },
        output = { version = t.integer, lines = t.integer, pay = method },
        run = function(ctx, input)
            ctx.db:run("insert into placed(version) values ($1)", version)
            return { version = version, lines = 1 + #(input.line.parts or {}), pay = input.pay }
        end,
    }
end
"""

NOTE = '{"anyOf":[{"type":"null"},{"type":"string","maxLength":5}]}'
ORDER = {"line": {"sku": "tea", "parts": [{"sku": "leaf"}]}, "pay": {"number": "4242", "kind": "card"}, "note": None}


@pytest.fixture(scope="module", name="host")
def fixture_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")
    shop = folder / "plugins" / "shop"
    e2e_host.write(shop / "note.json", NOTE)
    e2e_host.write(shop / "migrations" / "0001_placed.sql", "create table placed(version integer) strict;")
    e2e_host.write(shop / "init.lua", e2e_plugins.plugin(SHOP, needs=["db"]))
    host = e2e_host.Host(folder, folder / "plugins", workers=2)
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()


def offences(answer):
    assert answer.status == 400, answer
    return {offence["pointer"]: offence for offence in answer.json()["errors"]}


def test_path_query_and_headers_become_input(host):
    with host.connect() as c:
        answer = c.request("GET", "/search/tea?page=2&tags=a&tags=b", headers=[("x-client", "web"), ("X-LEVEL", "7")])
        assert answer.json() == {"word": "tea", "page": 2, "tags": ["a", "b"], "client": "web", "level": 7}
        assert c.request("GET", "/search/tea").json() == {"word": "tea", "page": 1, "tags": []}
        wrong = offences(c.request("GET", "/search/tea?page=0&tags=a&tags=a", headers=[("X-Level", "high")]))
    assert set(wrong) == {"/page", "/tags", "/level"}
    assert wrong["/level"] == {"pointer": "/level", "expected": "integer", "got": "high"}


@pytest.mark.parametrize("address, version", [
    ("/orders", 2), ("/call/shop.place", 2), ("/call/shop.place@2", 2), ("/call/shop.place@1", 1)])
def test_versions_live_side_by_side(host, address, version):
    for _ in range(6):  # each on a new connection: both workers
        answer = host.request("POST", address, ORDER)
        assert answer.json() == {"version": version, "lines": 2, "pay": ORDER["pay"]}


def test_a_version_that_is_not_there_is_not_found(host):
    for name in ("place@3", "place@0", "place@", "place@x", "place@1@1"):
        assert host.request("POST", f"/call/shop.{name}", ORDER).status == 404, name


def test_every_offence_is_told_at_its_place(host):
    wrong = offences(host.request("POST", "/orders", {
        "line": {"sku": "TEA", "parts": [{"sku": "leaf"}, {"sku": 1}]}, "pay": {"kind": "gold"}, "note": "too long"}))
    assert set(wrong) == {"/line/sku", "/line/parts/1/sku", "/pay/kind", "/note"}
    assert wrong["/pay/kind"]["expected"] == 'one of "card", "cash"'
    assert "matches" in wrong["/line/sku"]["expected"]
