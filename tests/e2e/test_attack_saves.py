"""Directories and files that are replaced, moved and copied while they are watched, and plugins that load slowly."""

import shutil
import threading
import time

import e2e_plugins
from e2e_host import wait_until, write


def start(start_host, folder):
    write(folder / "plugins" / "shop" / "init.lua", e2e_plugins.constant(1))
    return start_host(folder / "plugins"), folder / "plugins" / "shop"


def test_a_file_that_is_moved_away_and_written_anew_is_never_missed(start_host, folder):
    host, plugin = start(start_host, folder)
    init = plugin / "init.lua"
    for value in range(2, 12):
        init.rename(plugin / "init.lua~")
        until = time.monotonic() + 0.03
        while time.monotonic() < until:
            assert host.call("shop.value").status == 200
        init.write_text(e2e_plugins.constant(value))
        wait_until("the new one", lambda: host.ok("shop.value") == {"value": value})
    assert not host.log(msg="retired")


def test_a_directory_put_in_the_place_of_another_is_deployed(start_host, folder):
    host, plugin = start(start_host, folder)
    for value in range(2, 6):
        write(folder / "next" / "init.lua", e2e_plugins.constant(value))
        shutil.rmtree(plugin)
        (folder / "next").rename(plugin)
        wait_until("the new one", lambda: host.call("shop.value").status == 200
                   and host.ok("shop.value") == {"value": value})
    write(plugin / "init.lua", e2e_plugins.constant(9))
    wait_until("a save in it", lambda: host.ok("shop.value") == {"value": 9})


def test_a_copy_serves_when_its_original_is_deleted(start_host, folder):
    host, plugin = start(start_host, folder)
    shutil.copytree(plugin, folder / "plugins" / "copy")
    host.wait_log(level="error", msg="not live; what served before still serves")
    shutil.rmtree(plugin)
    wait_until("the copy", lambda: host.call("shop.value").generation == "shop@1.0.1#2")


def test_a_moved_plugin_serves_on(start_host, folder):
    host, plugin = start(start_host, folder)
    plugin.rename(folder / "plugins" / "moved")
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        assert host.call("shop.value").status == 200
    host.save(folder / "plugins" / "moved" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#")


def test_a_deleted_plugin_is_retired(start_host, folder):
    host, plugin = start(start_host, folder)
    shutil.rmtree(plugin)
    wait_until("its end", lambda: host.call("shop.value").status == 404)


def test_a_plugin_that_loads_slowly_holds_nobody(start_host, folder):
    host, plugin = start(start_host, folder)
    write(folder / "plugins" / "other" / "init.lua", e2e_plugins.constant(1, name="other"))
    wait_until("the other", lambda: host.call("other.value").status == 200)
    slowest, done = 0, threading.Event()

    def ask():
        nonlocal slowest
        while not done.is_set():
            begun = time.monotonic()
            host.ok("other.value")
            slowest = max(slowest, time.monotonic() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    since = host.log_mark()
    write(plugin / "init.lua", "local t0 = os.clock() while os.clock() - t0 < 2 do end\n" + e2e_plugins.constant(2))
    failed = host.wait_log(since, level="error", msg="not live; what served before still serves")
    done.set()
    asking.join()
    assert "CPU time" in failed["error"]
    assert slowest < 1
    assert host.ok("shop.value") == {"value": 1}
