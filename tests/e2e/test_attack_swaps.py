"""Swaps that change what a route leads to, while commands are on their way to their home worker."""

import threading

import e2e_plugins
from e2e_host import write


def version(number):
    """Each version renames the command and its path parameter."""
    name, parameter = ("put", "id") if number % 2 else ("place", "order")
    return e2e_plugins.plugin(f"""
        plugin:command "{name}" {{
            http = "POST /orders/{{{parameter}}}", input = {{ {parameter} = t.integer }}, output = {{ v = t.integer }},
            run = function(ctx, input)
                return ctx.db:one("insert into k(v) values ($1) returning v", input.{parameter})
            end,
        }}
    """, needs=["db"], version=f"1.0.{number}")


def test_a_forwarded_command_runs_in_the_generation_that_took_it(start_host, folder):
    plugin = folder / "plugins" / "shop"
    write(plugin / "migrations" / "0001_k.sql", "create table k(v integer);")
    write(plugin / "init.lua", version(0))
    host = start_host(folder / "plugins")
    failed, done = [], threading.Event()

    def ask():
        with host.connect() as connection:
            while not done.is_set():
                answer = connection.request("POST", "/orders/5")
                if answer.status != 200:
                    failed.append(answer)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for number in range(1, 40):
        host.save(plugin / "init.lua", version(number), f"shop@1.0.{number}#")
    done.set()
    for asker in askers:
        asker.join()
    assert not failed
