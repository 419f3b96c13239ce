"""What a release changes for callers: in production a break is refused and the old one goes on
serving; in dev it is live and told."""

import e2e_host
import e2e_plugins
import pytest

OLD = 'plugin:query "value" { input = { n = t.integer }, output = { n = t.integer },\n' \
    '    run = function(ctx, input) return { n = input.n } end }'
NARROWED = OLD.replace("input = { n = t.integer }", "input = { n = t.integer { max = 9 } }")
BESIDE = OLD.replace('"value" {', '"value" { version = 1,') + "\n" + \
    NARROWED.replace('"value" {', '"value" { version = 2,')
WIDER = OLD.replace("input = { n = t.integer }",
    "input = { n = t.integer, more = t.optional(t.string) }")


@pytest.fixture
def shop(folder):
    directory = folder / "plugins" / "shop"
    e2e_host.write(directory / "init.lua", e2e_plugins.plugin(OLD, version="1.0.0"))
    return directory


def again(start_host, shop, body, version):
    """Stops the host that serves, and starts one that deploys another release at start."""
    host = start_host(shop, mode="serve", into="host")
    assert host.ok("shop.value", {"n": 10}) == {"n": 10}
    host.stop()
    e2e_host.write(shop / "init.lua", e2e_plugins.plugin(body, version=version))
    return host.start()


def test_serve_refuses_a_break_and_goes_on_serving_the_old(start_host, shop):
    host = again(start_host, shop, NARROWED, "1.1.0")
    line = host.wait_log(msg="not live; what served before still serves")
    assert line["step"] == "verify"
    assert "it breaks callers of shop@1.0.0#1: shop.value@1 input/n: max was none, is 9 " \
        "(input-narrowed)" in line["error"]
    assert host.ok("shop.value", {"n": 10}) == {"n": 10}
    assert host.plugin_status("shop")["generation"] == "shop@1.0.0#1"
    told = host.deploy_status(shop)
    assert (told["ok"], told["step"]) == (False, "verify")
    assert told["message"] == line["error"]
    assert told["contract"]["breaking"] == 1


def test_a_raised_major_does_not_change_what_a_version_means(start_host, shop):
    host = again(start_host, shop, NARROWED, "2.0.0")
    host.wait_log(msg="not live; what served before still serves")
    assert host.ok("shop.value", {"n": 10}) == {"n": 10}


def test_a_new_version_beside_the_old_is_live(start_host, shop):
    host = again(start_host, shop, BESIDE, "1.1.0")
    line = host.wait_log(msg="contract changed")
    assert (line["breaking"], line["compatible"], line["since"]) == (0, 2, "shop@1.0.0#1")
    assert "shop.value@2: the query is new (capability-added)" in line["changes"]
    assert "(unversioned-means-newer)" in line["changes"]
    assert host.ok("shop.value@1", {"n": 10}) == {"n": 10}
    assert host.call("shop.value@2", {"n": 10}).status == 400
    assert host.call("shop.value", {"n": 10}).status == 400


def test_an_address_goes_with_a_new_major_only(start_host, shop):
    other = OLD.replace('"value"', '"other"')
    host = again(start_host, shop, other, "1.1.0")
    line = host.wait_log(msg="not live; what served before still serves")
    assert "shop.value@1: the query is gone (capability-removed)" in line["error"]
    host.stop()
    e2e_host.write(shop / "init.lua", e2e_plugins.plugin(other, version="2.0.0"))
    host.start()
    line = host.wait_log(msg="contract changed")
    assert (line["level"], line["breaking"], line["compatible"]) == ("warn", 1, 1)
    assert host.call("shop.value", {"n": 1}).status == 404


def test_an_unchanged_contract_is_not_spoken_of(start_host, shop):
    host = again(start_host, shop, OLD.replace("input.n }", "input.n + 0 }"), "1.0.1")
    assert host.plugin_status("shop")["generation"] == "shop@1.0.1#2"
    assert not host.log(msg="contract changed")
    assert host.deploy_status(shop)["contract"]["changes"] == []


def test_dev_only_tells_it(start_host, shop):
    host = start_host(shop)
    assert "contract" not in host.deploy_status(shop)
    since = host.log_mark()
    host.save(shop / "init.lua", e2e_plugins.plugin(NARROWED, version="1.0.1"), "shop@1.0.1#")
    line = host.wait_log(since, msg="contract changed")
    assert (line["level"], line["generation"], line["since"]) == \
        ("warn", "shop@1.0.1#2", "shop@1.0.0#1")
    assert (line["breaking"], line["compatible"]) == (1, 0)
    assert host.call("shop.value", {"n": 10}).status == 400
    told = host.deploy_status(shop)["contract"]
    change = told.pop("changes")[0]
    assert told == {"since": "shop@1.0.0#1", "compared": True, "breaking": 1, "compatible": 0}
    assert change.startswith("shop.value@1 input/n: max was none, is 9 (input-narrowed), never "
        "used since 20")
    since = host.log_mark()
    host.save(shop / "init.lua", e2e_plugins.plugin(WIDER, version="1.0.2"), "shop@1.0.2#")
    line = host.wait_log(since, msg="contract changed")
    assert (line["level"], line["breaking"], line["compatible"]) == ("info", 0, 2)


def test_what_cannot_be_compared_is_told_and_live(start_host, shop):
    host = start_host(shop, mode="serve", into="host")
    bundle = host.data / "bundles" / (host.plugin_status("shop")["hash"] + ".bundle")
    host.stop()
    bundle.unlink()
    e2e_host.write(shop / "init.lua", e2e_plugins.plugin(NARROWED, version="1.0.1"))
    host.may_die = True
    host.start()
    line = host.wait_log(msg="contract not compared")
    assert line["generation"] == "shop@1.0.1#2" and line["since"] == "shop#1"


def used(host, capability, calls, caller="web-shop"):
    """The status's figures of a caller, once that many calls were told."""
    def look():
        return next((u for u in host.status()["usage"] if (u["capability"], u["caller"]) ==
            (capability, caller) and u["calls"] >= calls), None)
    return e2e_host.wait_until(f"{calls} calls of {capability}", look)


def call(host, name, body, caller="web-shop"):
    headers = [("Pinion-Caller", caller)] if caller else []
    return host.request("POST", f"/call/{name}", body, headers).status


def test_a_refusal_says_who_uses_what_would_break(start_host, shop):
    body = OLD.replace('input = { n = t.integer }',
        'http = "POST /value", input = { n = t.integer, m = t.optional(t.integer) }')
    e2e_host.write(shop / "init.lua", e2e_plugins.plugin(body, version="1.0.0"))
    host = start_host(shop, mode="serve", into="host")
    for n in range(20):
        assert call(host, "shop.value", {"n": n}) == 200
    assert host.request("POST", "/value", {"n": 1}, [("pinion-caller", "app")]).status == 200
    assert call(host, "shop.value", {"n": "x"}) == 400
    assert call(host, "shop.value", {"n": 1}, caller=None) == 200
    assert call(host, "shop.value", {"n": 1}, caller="No Name") == 200
    assert used(host, "shop.value@1", 20) == {"capability": "shop.value@1", "caller": "web-shop",
        "calls": 20, "by_route": 0, "members": {"n": 20}}
    assert used(host, "shop.value@1", 1, "app")["by_route"] == 1
    assert used(host, "shop.value@1", 2, "unknown")["calls"] == 2
    host.stop()
    e2e_host.write(shop / "init.lua", e2e_plugins.plugin(
        NARROWED.replace("n = t.integer }", "n = t.integer }", 1), version="1.0.1"))
    host.start()
    error = host.wait_log(msg="not live; what served before still serves")["error"]
    assert "shop.value@1 input/n: max was none, is 9 (input-narrowed), used 23 times in 7 days by " \
        "web-shop, unknown, app" in error
    assert "shop.value@1 input/m: the member is refused now (member-removed), never used since 2" \
        in error
    assert "(route-removed), used 1 time in 7 days by app" in error
    told = e2e_host.run("check", shop, "--against", "shop", "--data", host.data).stdout
    assert "input/n: max was none, is 9, used 23 times in 7 days by web-shop, unknown, app" \
        " (input-narrowed)" in told


def test_usage_outlives_swaps_and_the_control_process(start_host, shop):
    host = start_host(shop)
    for n in range(5):
        assert call(host, "shop.value", {"n": n}) == 200
    host.save(shop / "init.lua", e2e_plugins.plugin(WIDER, version="1.0.1"), "shop@1.0.1#")
    assert used(host, "shop.value@1", 5)["calls"] == 5
    assert call(host, "shop.value", {"n": 5, "more": "x"}) == 200
    assert used(host, "shop.value@1", 6)["members"] == {"n": 6, "more": 1}
    host.stop()
    host.start()
    assert used(host, "shop.value@1", 6)["calls"] == 6
