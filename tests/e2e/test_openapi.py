"""What plugins declare, as OpenAPI: from directories, from a running host, at both of its
addresses; and the page that shows it."""

import json
import os
import shutil
import signal

import e2e_host
import e2e_http
import pytest
from e2e_host import run

SHOP = e2e_host.ROOT / "tests" / "e2e" / "plugins" / "shop"

SMALL = """
local pinion = require "pinion"
local p = pinion.plugin { name = "small", version = "%s", layer = "innovation" }
p:query "%s" { http = "GET /small", run = function() end }
return p
"""


def plugin(folder, name, text):
    e2e_host.write(folder / name / "init.lua", text)
    return folder / name


@pytest.fixture(scope="module")
def shop():
    result = run("openapi", SHOP)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


# ---- the document

def operation(document, method, path):
    return document["paths"][path][method]


def parameters(found):
    return {(p["in"], p["name"]): p for p in found["parameters"]}


def test_every_capability_is_at_its_address(shop):
    found = {(method, path): o["operationId"]
             for path, item in shop["paths"].items() for method, o in item.items()}
    assert found == {
        ("post", "/shop/{country}/orders"): "shop.place",
        ("post", "/call/shop.place@1"): "shop.place@1",
        ("get", "/shop/{country}/orders/{id}"): "shop.get",
        ("delete", "/shop/{country}/orders/{id}"): "shop.cancel",
        ("get", "/shop/Stra%C3%9Fen%7Ca"): "shop.search",
        ("post", "/call/shop.tree"): "shop.tree",
        ("post", "/call/shop.ping"): "shop.ping",
    }


def test_a_query_takes_parameters_and_no_body(shop):
    search = operation(shop, "get", "/shop/Stra%C3%9Fen%7Ca")
    found = parameters(search)
    assert set(found) == {("query", name) for name in ("anything", "limit", "open", "since", "words")}
    assert "requestBody" not in search
    assert found["query", "limit"]["schema"]["multipleOf"] == 5
    assert "required" not in found["query", "limit"]
    assert found["query", "anything"]["schema"] == {"type": "string"}
    assert found["query", "since"]["schema"] == {"type": "string", "format": "date-time"}
    assert found["query", "words"]["schema"]["uniqueItems"] is True


def test_path_and_headers_are_not_asked_for_again_in_the_body(shop):
    place = operation(shop, "post", "/shop/{country}/orders")
    found = parameters(place)
    assert set(found) == {("path", "country"), ("header", "X-Client"), ("header", "X-Priority")}
    assert found["header", "X-Client"]["required"] is True
    assert "required" not in found["header", "X-Priority"]
    body = place["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert not {"country", "client", "priority"} & set(schema["properties"])
    assert schema["required"] == ["extra", "lines", "payment", "weight"]


def test_two_methods_of_one_path_share_its_template(shop):
    cancel = operation(shop, "delete", "/shop/{country}/orders/{id}")
    assert [p["name"] for p in cancel["parameters"]] == ["country", "id"]
    assert cancel["parameters"][1]["schema"]["type"] == "integer"
    assert "requestBody" not in cancel and "204" in cancel["responses"]


def test_errors_are_under_their_status_with_those_of_the_host(shop):
    responses = operation(shop, "post", "/shop/{country}/orders")["responses"]
    assert list(responses) == ["200", "400", "402", "404", "409", "500", "503", "504", "507", "default"]

    def codes(status):
        schema = responses[status]["content"]["application/problem+json"]["schema"]
        return schema["allOf"][1]["properties"]["code"]["enum"]

    assert codes("409") == ["out_of_stock"]
    assert codes("400") == ["odd_input", "contract_input", "invalid_idempotency_key", "invalid_json",
        "invalid_query"]
    assert codes("507") == ["no_room", "storage_full"]
    assert responses["500"] == {"$ref": "#/components/responses/Failed"}
    assert "507" not in operation(shop, "get", "/shop/{country}/orders/{id}")["responses"]


def test_commands_that_keep_data_take_an_idempotency_key(folder):
    text = SMALL % ("1.0.0", "look") + "\n"
    text = text.replace('layer = "innovation" }', 'layer = "innovation", needs = { "kv" } }')
    text = text.replace("return p", """p:command "put" { http = "PUT /small/{id}", input = { id = t.string }, run = function() end }
p:command "own" { input = { key = t.string }, headers = { key = "Idempotency-Key" }, run = function() end }
return p""").replace("local p =", "local t = pinion.types\nlocal p =")
    result = run("openapi", plugin(folder, "small", text))
    assert (result.returncode, result.stderr) == (0, "")
    small = json.loads(result.stdout)
    put = operation(small, "put", "/small/{id}")
    assert [p.get("name", p.get("$ref")) for p in put["parameters"]] == [
        "id", "#/components/parameters/IdempotencyKey"]
    assert put["responses"]["422"] == {"$ref": "#/components/responses/KeyReused"}
    assert small["components"]["parameters"]["IdempotencyKey"]["in"] == "header"
    own = operation(small, "post", "/call/small.own")
    assert [p["name"] for p in own["parameters"]] == ["Idempotency-Key"]
    assert "422" not in own["responses"]
    assert "parameters" not in operation(small, "get", "/small")


def test_what_is_said_about_a_capability_is_there(shop):
    old = operation(shop, "post", "/call/shop.place@1")
    assert old["deprecated"] is True
    assert old["description"] == "Deprecated: place@2 takes several lines"
    new = operation(shop, "post", "/shop/{country}/orders")
    assert "deprecated" not in new and new["description"] == "Takes *all* lines at once."
    assert (new["summary"], new["tags"]) == ("Place an order.", ["shop"])
    assert {k: v for k, v in new.items() if k.startswith("x-pinion")} == {
        "x-pinion-capability": "shop.place@2", "x-pinion-kind": "command", "x-pinion-version": 2,
        "x-pinion-layer": "differentiation", "x-pinion-owner": "team-shop"}
    assert shop["tags"] == [{
        "name": "shop", "description": 'Sells "things" & shows them.', "x-pinion-version": "2.3.4",
        "x-pinion-layer": "differentiation", "x-pinion-owner": "team-shop"}]
    assert shop["security"] == []


# ---- the command

def test_the_command_describes_all_that_it_is_given():
    result = run("openapi", e2e_host.PLUGINS, SHOP)
    assert result.returncode == 0
    tags = [tag["name"] for tag in json.loads(result.stdout)["tags"]]
    assert tags == sorted(tags) and {"greeter", "orders", "shop", "users"} <= set(tags)


def test_the_command_names_what_cannot_be_loaded(folder):
    plugin(folder, "good", SMALL % ("1.0.0", "ask"))
    plugin(folder, "bad", "return 1 +")
    result = run("openapi", folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert "bad/init.lua:1" in result.stderr
    result = run("openapi", folder / "nowhere")
    assert (result.returncode, result.stdout) == (1, "")
    assert str(folder / "nowhere") in result.stderr


@pytest.mark.parametrize("line, named", [
    (["--fly"], "--fly"),
    (["--host"], "--host"),
    (["--host", "nowhere"], "nowhere"),
    (["plugins", "--host", "127.0.0.1:1"], "not both"),
])
def test_wrong_usage_is_2(line, named):
    result = run("openapi", *line)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in result.stderr


def test_a_host_that_is_not_there_is_1():
    result = run("openapi", "--host", "127.0.0.1:1")
    assert (result.returncode, result.stdout) == (1, "")
    assert "127.0.0.1:1" in result.stderr


# ---- the host

def test_a_host_serves_what_the_command_prints(shipped):
    printed = run("openapi", e2e_host.PLUGINS).stdout
    assert shipped.request("GET", "/openapi.json").body.decode() == printed.rstrip("\n")
    assert run("openapi", "--host", shipped.listen).stdout == printed


def test_who_has_it_is_told_so(shipped):
    first = shipped.request("GET", "/openapi.json")
    assert first.status == 200 and first.headers["content-type"] == "application/json"
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = shipped.request("GET", "/openapi.json", headers=[("If-None-Match", known)])
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    again = shipped.request("GET", "/openapi.json", headers=[("If-None-Match", '"other"')])
    assert again.status == 200


def test_only_its_reading_is_served(shipped):
    head = shipped.request("HEAD", "/openapi.json")
    assert head.status == 200 and int(head.headers["content-length"]) > 1000
    for method in ("POST", "PUT", "DELETE"):
        refused = shipped.request(method, "/openapi.json", {})
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert shipped.request("OPTIONS", "/openapi.json").status == 204


def test_the_admin_address_gives_it_with_the_address_that_serves(shipped):
    answer = shipped.admin_request("/openapi.json")
    assert answer.status == 200
    document = answer.json()
    assert document.pop("servers") == [{"url": f"http://{shipped.listen}"}]
    served = shipped.request("GET", "/openapi.json").json()
    assert served.pop("servers") == [{"url": "/"}]
    assert document == served
    assert shipped.admin_request("/openapi.json", method="HEAD").status == 200
    assert shipped.admin_request("/openapi.json", method="POST").status == 405
    assert shipped.admin_request("/openapi.json", name="example.com").status == 403


def test_the_page_fetches_nothing_from_outside(shipped):
    page = shipped.admin_request("/docs", accept="text/html")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("/docs", "/docs.js", "/docs.css"):
        text = shipped.admin_request(name).body.decode()
        assert "http://" not in text.replace("http://www.w3.org/", "") and "https://" not in text
        assert "innerHTML" not in text and "eval(" not in text


def test_after_a_swap_the_document_is_new(start_host, folder):
    directory = plugin(folder, "small", SMALL % ("1.0.0", "first"))
    host = start_host([directory])
    before = host.request("GET", "/openapi.json")
    assert operation(before.json(), "get", "/small")["operationId"] == "small.first"
    host.save(directory / "init.lua", SMALL % ("1.0.1", "second"), "small@1.0.1#")
    for _ in range(8):  # connections go to either worker
        after = host.request("GET", "/openapi.json",
                             headers=[("If-None-Match", before.headers["etag"])])
        assert after.status == 200 and after.headers["etag"] != before.headers["etag"]
        assert operation(after.json(), "get", "/small")["operationId"] == "small.second"
    assert "small.second" in host.admin_request("/openapi.json").body.decode()
    shutil.rmtree(directory)
    e2e_host.wait_until("the plugin's end",
                        lambda: host.request("GET", "/openapi.json").json()["paths"] == {})
    assert host.admin_request("/openapi.json").json()["tags"] == []


def test_who_asked_a_worker_that_dies_is_answered(start_host):
    host = start_host([SHOP], workers=1)
    host.may_die = True
    pid = host.worker_pids()[0]
    os.kill(pid, signal.SIGSTOP)
    with e2e_http.Connection(host.admin) as connection:
        connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        host.status()  # by now control has asked
        os.kill(pid, signal.SIGKILL)
        assert connection.answer().status == 503
    e2e_host.wait_until("the next worker",
                        lambda: host.admin_request("/openapi.json").status == 200)


def test_a_host_that_serves_nothing_describes_nothing(start_host):
    host = start_host([], mode="serve")
    assert host.request("GET", "/openapi.json").json()["paths"] == {}


def test_the_address_is_the_hosts_own(folder):
    plugin(folder, "thief", (SMALL % ("1.0.0", "ask")).replace("/small", "/openapi.json"))
    result = run("openapi", folder)
    assert result.returncode == 1 and "'/openapi.json' is the host's own" in result.stderr
