"""Plugins that tests write: small sources, made from their name and version."""

HEAD = """local pinion = require "pinion"
local t = pinion.types
local plugin = pinion.plugin {{ name = "{name}", version = "{version}", layer = "innovation"{more} }}
"""


def plugin(body, name="shop", version="1.0.0", needs=None, limits=None):
    """init.lua of a plugin; `body` declares on `plugin` and may use `t`."""
    more = f", needs = {{ {', '.join(repr(n) for n in needs)} }}" if needs else ""
    if limits:
        more += f", limits = {{ {', '.join(f'{k} = {v}' for k, v in limits.items())} }}"
    return HEAD.format(name=name, version=version,
        more=more.replace("'", '"')) + body + "\nreturn plugin\n"


def constant(value, name="shop", route=None):
    """A plugin whose version and whose answer both say `value`."""
    http = f'http = "GET {route}", ' if route else ""
    return plugin(f"""
plugin:query "value" {{ {http}output = {{ value = t.integer }},
    run = function() return {{ value = {value} }} end }}
""", name=name, version=f"1.0.{value}")


def handler(code, kind="query", name="probe", output="t.any", more="", **options):
    """A plugin with one capability 'run' whose handler is `code`."""
    return plugin(f"""
plugin:{kind} "run" {{ input = {{ arg = t.optional(t.any) }}, output = {output}, {more}
    run = function(ctx, input)
{code}
end }}
""", name=name, **options)
