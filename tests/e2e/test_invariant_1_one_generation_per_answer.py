"""Invariant 1: a request is served by one generation from start to end, and its answer says
which."""

import json

import e2e_host
import e2e_load
import e2e_plugins
from e2e_http import request_bytes

REQUEST = request_bytes("POST", "/call/shop.value", {})


class Labels:
    """Which value each generation label answered: the constant is the version's last number, so
    they must agree."""

    def __init__(self):
        self.seen = {}

    def check(self, answer, _):
        if answer.status != 200:
            return f"{answer}"
        output = json.loads(answer.body)
        label = answer.generation
        values = set(output.values())
        if values != {int(label.split("#")[0].rsplit(".", 1)[1])}:
            return f"{label} answered {output}"
        if self.seen.setdefault(label, output) != output:
            return f"{label} answered {output}, and {self.seen[label]} before"
        return None


def source(value):
    """Answers its constant from the main file, from a module, from state made at load, and read
    again at the end."""
    return e2e_plugins.plugin(f"""
local other = require "other"
local at_load = {{ value = {value} }}
plugin:query "value" {{ output = {{ main = t.integer, module = t.integer, loaded = t.integer, late = t.integer, sum = t.integer }},
    run = function()
        local main, n = {value}, 0
        for _ = 1, 200 do n = n + #tostring(other.value) end
        local late = load("return {value}")()
        return {{ main = main, module = other.value, loaded = at_load.value, late = late, sum = n > 0 and {value} or 0 }}
    end }}
""", version=f"1.0.{value}")


def save(folder, value):
    """Both files change in one step: the directory's whole content is another one."""
    e2e_host.write(folder / "shop" / "other.lua", f"return {{ value = {value} }}\n")
    e2e_host.write(folder / "shop" / "init.lua", source(value))


def swap_both(host, folder, value):
    """Saves a module and the main file so close together that they are one change; else the main
    file wins in the end."""
    since = host.log_mark()
    save(folder, value)
    host.wait_log(since, msg="live",
        where=lambda line: line["generation"].startswith(f"shop@1.0.{value}#"))


def test_answers_match_their_generation_under_swaps(folder, start_host):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(plugins)
    labels = Labels()
    with e2e_load.Load(host.listen, lambda _: REQUEST, labels.check) as load:
        for value in range(2, 32):
            host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(value),
                f"shop@1.0.{value}#")
            load.wait_for(100)
    assert load.failures == []
    assert len(labels.seen) == 31, labels.seen.keys()
    assert load.count > 3000


def test_a_generation_never_mixes_with_another(folder, start_host):
    """The state made at load, the main chunk and the required module of an answer are all of its
    generation."""
    plugins = folder / "plugins"
    save(plugins, 1)
    host = start_host(plugins)

    def check(answer, _):
        if answer.status != 200:
            return f"{answer}"
        output = json.loads(answer.body)
        module = output.pop("module")
        number = int(answer.generation.split("#")[0].rsplit(".", 1)[1])
        # Between the two saves the new module may serve with the old main file, as it then is on
        # disk.
        if set(output.values()) != {number} or module not in (number, number + 1):
            return f"{answer.generation} answered {answer.body}"
        return None

    with e2e_load.Load(host.listen, lambda _: REQUEST, check) as load:
        for value in range(2, 22):
            swap_both(host, plugins, value)
            load.wait_for(50)
    assert load.failures == []


def test_pipelined_requests_are_served_by_whole_generations(folder, start_host):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(plugins)
    labels = Labels()
    with host.connect() as c:
        for value in range(2, 12):
            e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(value))
            for _ in range(20):
                c.send(REQUEST * 50)
                numbers = []
                for _ in range(50):
                    answer = c.answer()
                    assert labels.check(answer, None) is None
                    numbers.append(int(answer.generation.split("#")[1]))
                assert numbers == sorted(numbers), "an older generation came back"


def test_the_number_goes_on_after_a_restart(folder, start_host):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(plugins)
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(2), "shop@1.0.2#2")
    host.stop()
    host.start()
    assert host.call("shop.value").generation == "shop@1.0.2#2"
    host.save(plugins / "shop" / "init.lua", e2e_plugins.constant(1), "shop@1.0.1#3")
    assert host.call("shop.value").generation == "shop@1.0.1#3"


def test_an_unchanged_save_is_no_swap(folder, start_host):
    plugins = folder / "plugins"
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(1))
    host = start_host(plugins)
    e2e_host.write(plugins / "shop" / "init.lua", e2e_plugins.constant(1))
    host.save(plugins / "shop" / "other.lua", "return 1\n", "shop@1.0.1#2")
    assert host.call("shop.value").generation == "shop@1.0.1#2"
