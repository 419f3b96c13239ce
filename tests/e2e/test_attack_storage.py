"""What the data directory may look like after a power cut, a full disk, a restored backup or somebody's editor."""

import json

import e2e_plugins
from e2e_host import wait_until, write

COUNTER = """
plugin:command "add" { output = { id = t.integer }, run = function(ctx)
    return ctx.db:one("insert into k(v) values (1) returning rowid as id")
end }
plugin:query "count" { output = { n = t.integer }, run = function(ctx)
    return { n = ctx.db:value("select count(*) from k") }
end }
"""


def active(host):
    return json.loads((host.data / "active.json").read_text())["plugins"]


def test_a_damaged_bundle_is_stored_anew_when_it_is_deployed_again(start_host, folder):
    init = folder / "plugins" / "shop" / "init.lua"
    write(init, e2e_plugins.constant(1))
    host = start_host(folder / "plugins")
    bundle = host.data / "bundles" / (active(host)[0]["hash"] + ".bundle")
    whole = bundle.read_bytes()
    host.save(init, e2e_plugins.constant(2), "shop@1.0.2#")
    write(bundle, whole[:len(whole) // 2])
    host.save(init, e2e_plugins.constant(1), "shop@1.0.1#3")
    assert host.ok("shop.value") == {"value": 1}
    assert bundle.read_bytes() == whole


def test_a_database_that_was_lost_is_migrated_again(start_host, folder):
    plugin = folder / "plugins" / "shop"
    write(plugin / "migrations" / "0001_k.sql", "create table k(v integer);")
    write(plugin / "init.lua", e2e_plugins.plugin(COUNTER, needs=["db"]))
    host = start_host(folder / "plugins")
    assert host.ok("shop.add") == {"id": 1}
    host.stop()
    for path in (host.data / "db").iterdir():
        path.unlink()
    host.start()
    wait_until("an empty table", lambda: host.call("shop.count").status == 200)
    assert host.ok("shop.count") == {"n": 0}
    assert host.ok("shop.add") == {"id": 1}


def test_a_database_that_is_newer_does_not_keep_its_plugin_from_serving(start_host, folder):
    plugin = folder / "plugins" / "shop"
    write(plugin / "migrations" / "0001_k.sql", "create table k(v integer);")
    write(plugin / "init.lua", e2e_plugins.plugin(COUNTER, needs=["db"]))
    host = start_host(folder / "plugins")
    before = (host.data / "active.json").read_text()
    bundle = host.data / "bundles" / (active(host)[0]["hash"] + ".bundle")
    kept = bundle.read_bytes()
    write(plugin / "migrations" / "0002_w.sql", "alter table k add column w integer;")
    host.save(plugin / "init.lua", e2e_plugins.plugin(COUNTER, needs=["db"], version="1.0.1"), "shop@1.0.1#")
    host.stop()
    # As if the host had died after it migrated and before it published.
    write(host.data / "active.json", before)
    write(bundle, kept)
    host.plugins, host.mode = [], "serve"
    host.start()
    assert host.ok("shop.add") == {"id": 1}


def test_a_generation_number_out_of_range_is_refused(start_host, folder):
    write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(folder / "plugins")
    host.stop()
    text = (host.data / "active.json").read_text()
    write(host.data / "active.json", text.replace('"generation":1', '"generation":4294967296'))
    host.start(wait=False)
    host.ended(code=1)
    assert "is damaged at line" in host.log_text()
