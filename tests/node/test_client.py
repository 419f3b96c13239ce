"""The generated TypeScript client: it compiles under the strictest options, and calls a live host
from Node and from Chromium (client_calls.ts says what is called)."""

import json
import pathlib
import re
import shutil
import subprocess

import e2e_host
import e2e_upstream
import pytest
import relay

HERE = pathlib.Path(__file__).resolve().parent
ODD = HERE / "odd"
STRICT = ("--strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --noImplicitOverride"
    " --noImplicitReturns --noFallthroughCasesInSwitch --noPropertyAccessFromIndexSignature"
    " --noUnusedLocals --noUnusedParameters --isolatedModules --verbatimModuleSyntax"
    " --erasableSyntaxOnly --target es2022 --module es2022 --lib es2022,dom").split()
SCENARIOS = re.findall(r'^  async "([^"]+)"', (HERE / "client_calls.ts").read_text(), re.MULTILINE)
CHROMIUM = shutil.which("chromium")

NODE_MAIN = """
import { run } from "./client_calls.js";
console.log(JSON.stringify(await run(process.argv[2])));
"""
PAGE = """<!doctype html><title>calls</title><script type="module">
import { run } from "./client_calls.js";
const outcome = await run("").catch((error) => ({ error: String(error) }));
await fetch("/report", { method: "POST", body: JSON.stringify(outcome) });
</script>"""


def generate(*arguments):
    made = e2e_host.run("client", *arguments)
    assert (made.returncode, made.stderr) == (0, ""), made
    return made.stdout


def node(*arguments, timeout=60, **options):
    return subprocess.run(["node", *map(str, arguments)], capture_output=True, text=True,
        timeout=timeout * e2e_host.SLOW, check=False, **options)


@pytest.fixture(scope="module")
def compile_module(npm_packages):
    """compile_module(folder, *files): JavaScript beside the files, which have no error."""
    def run(folder, *files):
        done = node(npm_packages / "node_modules" / "typescript" / "bin" / "tsc", *STRICT,
            "--outDir", folder, *(folder / name for name in files))
        assert done.returncode == 0, done.stdout
        return folder
    return run


@pytest.fixture(scope="module")
def compiled(compile_module, tmp_path_factory):
    """The calls and the client that they are written against."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "package.json").write_text('{ "type": "module" }')
    (folder / "pinion.ts").write_text(
        generate("typescript", e2e_host.PLUGINS, ODD, "--integers", "bigint"))
    shutil.copy(HERE / "client_calls.ts", folder)
    (folder / "main.js").write_text(NODE_MAIN)
    (folder / "page.html").write_text(PAGE)
    return compile_module(folder, "client_calls.ts")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    live = e2e_host.Host(tmp_path_factory.mktemp("host"), [e2e_host.PLUGINS, ODD], mode="serve")
    try:
        yield live.start()
        live.stop()
    finally:
        live.discard()


@pytest.fixture(scope="module")
def start_relay(host, compiled):
    started = []

    def start():
        started.append(relay.Relay(host.listen, compiled))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def from_node(start_relay, compiled):
    done = node(compiled / "main.js", start_relay().address)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def from_chromium(start_relay, tmp_path_factory):
    served = start_relay()
    browser = subprocess.Popen([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
        "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "--remote-debugging-port=0",
        f"{served.address}/page.html"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert served.reported.wait(60 * e2e_host.SLOW), "the page has not reported"
    finally:
        browser.terminate()
        browser.wait(10)
    return served.report


@pytest.mark.limit(180)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_from_node(from_node, scenario):
    assert from_node[scenario] == "ok"


@pytest.mark.limit(180)
@pytest.mark.skipif(not CHROMIUM, reason="there is no chromium")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_from_chromium(from_chromium, scenario):
    assert from_chromium[scenario] == "ok"


EXACT = """
import { Pinion } from "./pinion.js";
const pinion = new Pinion({ baseUrl: process.argv[2] ?? "" });
const WIDE: unknown[] = [];
%s
console.log(JSON.stringify(WIDE));
"""
AS_STRING = """
const sum = await pinion.odd.add({ list: ["9223372036854775807", "-1"] });
if (sum.ok) { const text: string = sum.value.sum; WIDE.push(text); }
const one = await pinion.odd.add_v1_({ a: "9007199254740992", b: "1" });
if (one.ok) WIDE.push(one.value);
WIDE.push(await pinion.odd.add({ list: ["1e3"] }).catch((e: Error) => e.message));
"""
AS_NUMBER = """
const sum = await pinion.odd.add({ list: [9007199254740991, -1] });
if (sum.ok) { const n: number = sum.value.sum; WIDE.push(n); }
const big = await pinion.odd.add({ list: [9007199254740991, 2] });
if (!big.ok) WIDE.push(big.error.code, big.error.message);
WIDE.push(await pinion.odd.add({ list: [9007199254740992] }).catch((e: Error) => e.message));
"""
TOO_LARGE = ("is not an integer of at most 2^53 - 1; a client that is generated with --integers"
    " bigint or --integers string keeps every digit")


@pytest.mark.limit(90)
@pytest.mark.parametrize("kind, code, wanted", [
    ("string", AS_STRING,
        ["9223372036854775806", "9007199254740993", "/list/0 is not an integer"]),
    ("number", AS_NUMBER,
        [9007199254740990, "unreadable", f"/sum {TOO_LARGE}", f"/list/0 {TOO_LARGE}"]),
])
def test_integers_as(kind, code, wanted, host, compile_module, tmp_path):
    (tmp_path / "package.json").write_text('{ "type": "module" }')
    # From the host, and with the globals of Node that are used here.
    (tmp_path / "pinion.ts").write_text(
        generate("typescript", "--host", host.listen, f"--integers={kind}"))
    (tmp_path / "main.ts").write_text(
        "declare const process: { argv: string[] };\n" + EXACT % code)
    compile_module(tmp_path, "main.ts")
    done = node(tmp_path / "main.js", f"http://{host.listen}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == wanted


STREAM_PLUGIN = """
local pinion = require "pinion"
local t = pinion.types
local files = pinion.plugin {{ name = "files", version = "1.0.0", layer = "innovation",
    needs = {{ "http {url}" }} }}
files:action "get" {{ input = {{ path = t.string }}, output = t.stream, errors = {{ no_file = 404 }},
    run = function(ctx, input)
        return ctx.http:stream("{url}" .. input.path) or ctx:fail("no_file")
    end }}
return files
"""
# Its body comes for longer than the call's time; what breaks off rejects; a problem is a failure.
STREAM_MAIN = """
import { Pinion, unwrap } from "./pinion.js";
declare const process: { argv: string[] };
const pinion = new Pinion({ baseUrl: process.argv[2] ?? "", timeoutMs: 1000, retries: 0 });
const response: Response =
  unwrap(await pinion.files.get({ path: "/stream?n=100000&chunked=1&hang_ms=1500" }));
const size = (await response.arrayBuffer()).byteLength;
const broken = unwrap(await pinion.files.get({ path: "/stream?n=100000&cut=10" }));
const outcome = await broken.text().then(() => "whole", () => "rejected");
const missing = await pinion.files.get({ path: "/status?code=404" });
console.log(JSON.stringify([
  size, response.headers.get("content-type"), outcome, missing.ok ? "" : missing.error.code]));
"""


@pytest.mark.limit(60)
def test_a_stream_is_a_response(compile_module, tmp_path):
    upstream = e2e_upstream.Upstream()
    e2e_host.write(tmp_path / "plugins" / "files" / "init.lua",
                   STREAM_PLUGIN.format(url=upstream.url))
    host = e2e_host.Host(tmp_path, [tmp_path / "plugins"])
    try:
        host.start()
        (tmp_path / "package.json").write_text('{ "type": "module" }')
        (tmp_path / "pinion.ts").write_text(generate("typescript", "--host", host.listen))
        (tmp_path / "main.ts").write_text(STREAM_MAIN)
        compile_module(tmp_path, "main.ts")
        done = node(tmp_path / "main.js", f"http://{host.listen}")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [100000, "application/pdf", "rejected", "no_file"]
        host.stop()
    finally:
        host.discard()
        upstream.close()


def test_a_host_serves_what_directories_give(host):
    given = [e2e_host.PLUGINS, ODD]
    by_name = {"typescript": "interface GreeterPlugin", "lua": "---@class greeter.Plugin"}
    for language, sign in by_name.items():
        from_host, from_files = generate(language, "--host", host.listen), generate(language, *given)
        assert sorted(from_host.splitlines()) == sorted(from_files.splitlines())
        assert sign in from_host


def test_the_annotations_are_lua(tmp_path):
    (tmp_path / "pinion.d.lua").write_text(generate("lua", e2e_host.PLUGINS, ODD))
    done = subprocess.run(["luacheck", "--std", "lua54", "--ignore", "211", "212", "241", "411",
        "--no-max-line-length", "--no-config", tmp_path], capture_output=True, text=True,
        timeout=30, check=False)
    assert done.returncode == 0, done.stdout
