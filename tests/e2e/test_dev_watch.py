"""`pinion dev`: every way of saving is seen, a burst is one swap, directories come and go."""

import os
import shutil
import time

import e2e_host
import e2e_plugins
import pytest


@pytest.fixture
def plugins(folder):
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    return folder / "plugins"


def live(host, since, label):
    return host.wait_log(since, msg="live", where=lambda line: line["generation"].startswith(label))


def settle(host, since):
    """Waits until no more deployments come, and gives the labels that went live."""
    before = -1
    while before != (count := len(host.log(since))):
        before = count
        time.sleep(0.15 * e2e_host.SLOW)
    return [line["generation"] for line in host.log(since, msg="live")]


def by_rename(path, text):
    e2e_host.write(path, text)


def by_truncation(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def by_slow_pieces(path, text):
    with open(path, "w", encoding="utf-8") as file:
        for i in range(0, len(text), 40):
            file.write(text[i:i + 40])
            file.flush()
            time.sleep(0.003)


def by_backup_and_rename(path, text):
    """vim: the old file becomes the backup, the new one is written in its place."""
    backup = path.with_name(path.name + "~")
    os.rename(path, backup)
    path.write_text(text, encoding="utf-8")
    backup.unlink()


def by_other_extension(path, text):
    beside = path.with_name("init.lua.tmp.1234")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def by_removal(path, text):
    path.unlink()
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("save",
    [by_rename, by_truncation, by_slow_pieces, by_backup_and_rename, by_other_extension,
        by_removal])
def test_every_way_of_saving_is_seen(plugins, start_host, save):
    host = start_host(plugins)
    for value in range(2, 6):
        since = host.log_mark()
        save(plugins / "shop" / "init.lua", e2e_plugins.constant(value))
        live(host, since, f"shop@1.0.{value}#")
        assert {host.ok("shop.value")["value"] for _ in range(8)} == {value}


def test_many_files_at_once_are_one_swap(plugins, start_host):
    host = start_host(plugins)
    lib, count = plugins / "shop" / "lib", 60
    lib.mkdir()
    for number in range(count):
        (lib / f".m{number}").write_text(f"return {number}\n")
    (plugins / "shop" / ".init").write_text(e2e_plugins.constant(2))
    settle(host, 0)
    since = host.log_mark()
    for number in range(count):
        os.rename(lib / f".m{number}", lib / f"m{number}.lua")
    os.rename(plugins / "shop" / ".init", plugins / "shop" / "init.lua")
    live(host, since, "shop@1.0.2#")
    labels = settle(host, since)
    assert labels[-1].startswith("shop@1.0.2#")
    assert len(labels) < 10, labels  # one, but for a machine that pauses between two files
    assert not host.log(since, level="error")


def test_a_checkout_of_many_files_ends_with_the_last(plugins, start_host):
    """More than the longest time that saves are gathered for."""
    host = start_host(plugins)
    since = host.log_mark()
    for number in range(30):
        e2e_host.write(plugins / "shop" / f"m{number}.lua", f"return {number}\n")
        time.sleep(0.005)
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.plugin("""
local sum = 0
for i = 0, 29 do sum = sum + require("m" .. i) end
plugin:query "value" { output = { value = t.integer }, run = function() return { value = sum } end }
""", version="1.0.435"))
    live(host, since, "shop@1.0.435#")
    assert settle(host, since)[-1].startswith("shop@1.0.435#")
    assert host.ok("shop.value") == {"value": 435}


def test_a_module_in_a_new_folder_changes_swap_too(plugins, start_host):
    host = start_host(plugins)
    source = e2e_plugins.plugin("""
local deep = require "a.b.deep"
plugin:query "value" { output = { value = t.integer },
    run = function() return { value = deep } end }
""", version="2.0.0")
    e2e_host.write(plugins / "shop" / "a" / "b" / "deep.lua", "return 10\n")
    host.save(plugins / "shop" / "init.lua", source, "shop@2.0.0#")
    assert host.ok("shop.value") == {"value": 10}
    for value in (11, 12):
        host.save(plugins / "shop" / "a" / "b" / "deep.lua", f"return {value}\n", "shop@2.0.0#")
        assert host.ok("shop.value") == {"value": value}


def test_files_that_are_no_part_of_a_plugin_are_passed_over(plugins, start_host):
    host = start_host(plugins)
    since = host.log_mark()
    for name in (".init.lua.swp", "init.lua~", "#init.lua#", ".git", "4913", "notes.txt",
            "init.lua.orig"):
        (plugins / "shop" / name).write_text("x")
        (plugins / "shop" / name).unlink()
    assert settle(host, since) == []
    assert not host.log(since, level="error")


def test_a_new_directory_goes_live_and_a_removed_one_is_retired(plugins, start_host):
    host = start_host(plugins)
    for name in ("extra", "more"):
        since = host.log_mark()
        e2e_host.write(plugins / name / "init.lua", e2e_plugins.constant(7, name))
        live(host, since, f"{name}@1.0.7#")
        assert host.ok(f"{name}.value") == {"value": 7}
        host.save(plugins / name / "init.lua", e2e_plugins.constant(8, name), f"{name}@1.0.8#")
    since = host.log_mark()
    shutil.rmtree(plugins / "extra")
    host.wait_log(since, msg="retired", plugin="extra")
    assert host.call("extra.value").status == 404
    assert host.plugin_status("extra")["state"] == "retired"
    assert (host.ok("more.value"), host.ok("shop.value")) == ({"value": 8}, {"value": 1})


def test_edits_of_all_plugins_of_a_folder_are_seen_after_one_was_added(plugins, start_host):
    host = start_host(plugins)
    since = host.log_mark()
    e2e_host.write(plugins / "extra" / "init.lua", e2e_plugins.constant(1, "extra"))
    live(host, since, "extra@")
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#")
    host.save(plugins / "extra" / "init.lua", e2e_plugins.constant(2, "extra"), "extra@1.0.2#")


def test_a_directory_moved_away_and_back(plugins, start_host, folder):
    host = start_host(plugins)
    for _ in range(3):
        since = host.log_mark()
        os.rename(plugins / "shop", folder / "away")
        host.wait_log(since, msg="retired", plugin="shop")
        assert host.call("shop.value").status == 404
        since = host.log_mark()
        os.rename(folder / "away", plugins / "shop")
        live(host, since, "shop@1.0.1#")
        assert host.ok("shop.value") == {"value": 1}
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#")


def test_a_whole_directory_is_replaced_at_once(plugins, start_host, folder):
    host = start_host(plugins)
    for value in range(2, 6):
        since = host.log_mark()
        e2e_host.write(folder / "new" / "init.lua", e2e_plugins.constant(value))
        os.rename(plugins / "shop", folder / f"old{value}")
        os.rename(folder / "new", plugins / "shop")
        live(host, since, f"shop@1.0.{value}#")
        assert host.ok("shop.value") == {"value": value}


def test_a_plugin_that_changes_its_name_is_known_by_the_new_one_only(plugins, start_host):
    host = start_host(plugins)
    since = host.log_mark()
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(2, "store"))
    live(host, since, "store@1.0.2#")
    host.wait_log(since, msg="retired", plugin="shop")
    assert host.ok("store.value") == {"value": 2}
    assert host.call("shop.value").status == 404


def test_one_plugin_directory_is_watched_by_itself(plugins, start_host):
    host = start_host([plugins / "shop"])
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#")
    e2e_host.write(plugins / "extra" / "init.lua", e2e_plugins.constant(1, "extra"))
    time.sleep(0.1)
    assert host.call("extra.value").status == 404


def test_an_empty_folder_waits_for_its_first_plugin(folder, start_host):
    (folder / "plugins").mkdir()
    host = start_host(folder / "plugins")
    assert host.call("shop.value").status == 404
    since = host.log_mark()
    e2e_host.write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    live(host, since, "shop@1.0.1#1")


def test_data_stays_while_a_plugin_comes_and_goes(folder, start_host):
    plugins = e2e_host.copy_plugins(folder / "plugins", "users")
    host = start_host(plugins)
    user = host.ok("users.register", {"email": "stays@example.org", "name": "S"})
    since = host.log_mark()
    shutil.rmtree(plugins / "users")
    host.wait_log(since, msg="retired", plugin="users")
    since = host.log_mark()
    e2e_host.copy_plugins(plugins, "users")
    live(host, since, "users@")
    assert host.ok("users.get", {"id": user["id"]}) == user
