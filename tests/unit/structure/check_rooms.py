"""What keeps the house in order: who includes whom, who may see which library, how long files and functions are.

Reads every file of core/; prints each violation with its place; the exit code says whether there were any.
"""
import os
import re
import sys
from pathlib import Path

SOURCE = Path(os.environ.get("PINION_SOURCE", Path(__file__).resolve().parents[3]))
CORE = SOURCE / "core"

# Each room, and the rooms it may include besides itself: arrows point down, and never to a neighbour.
ROOMS = {
    "base": [],
    "observe": ["base"],
    "json": ["base"],
    "net": ["base"],
    "http": ["net", "json", "observe", "base"],
    "contract": ["json", "base"],
    "store": ["contract", "net", "json", "base"],
    "lua": ["contract", "net", "json", "base"],
    "binding": ["lua", "store", "contract", "http", "net", "json", "base"],
    "plugin": ["binding", "lua", "store", "contract", "http", "net", "json", "observe", "base"],
    "release": ["plugin", "binding", "lua", "store", "contract", "http", "net", "json", "observe", "base"],
    "backup": ["release", "plugin", "binding", "lua", "store", "contract", "http", "net", "json", "observe", "base"],
    "admin": ["release", "plugin", "binding", "lua", "store", "contract", "http", "net", "json", "observe", "base"],
    "host": ["admin", "backup", "release", "plugin", "binding", "lua", "store", "contract", "http", "net", "json", "observe",
             "base"],
    "cli": ["host", "admin", "backup", "release", "plugin", "binding", "lua", "store", "contract", "http", "net", "json",
            "observe", "base"],
}

# Libraries that one room alone may see.
ONLY_HERE = {
    re.compile(r"event2/|event\.h|evutil\.h|evhttp\.h"): "net",
    re.compile(r"(lua|lauxlib|lualib|luaconf)\.h"): "lua",
    re.compile(r"curl/"): "http",
    re.compile(r"pcre2(posix)?\.h"): "contract",
    re.compile(r"sqlite3(ext)?\.h|libpq-fe\.h|libpq/"): "store",
}

FILE_LINES, FUNCTION_LINES = 600, 60

# "file:function" → why it is longer: flat tables and switches only.
LONG_FUNCTIONS = {}

# "file" → why it names a shipped plugin outside of a comment.
NAMES_A_PLUGIN = {
    "cli/call.c": "the example of its help",
    "cli/check.c": "the examples of its help",
    "cli/host.c": "the example of its help",
    "lua/define_capability.c": "the example of a message about routes",
    "contract/export_openapi.c": "an example in a comment",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
FUNCTION = re.compile(r"^(?!(?:typedef|struct|enum|union|static const|extern)\b[^(]*$)[A-Za-z_][^;={}]*\)\s*\n\{\n(.*?)^\}",
                      re.M | re.S)


def blank_comments(text):
    """The text with comments blanked out, line breaks kept."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)

    def blank(match):
        found = match.group(0)
        return re.sub(r"[^\n]", " ", found) if found.startswith("/") else found

    return pattern.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_include(room, name, quoted):
    for pattern, owner in ONLY_HERE.items():
        if pattern.match(name) and room != owner:
            return f"'{name}' is for core/{owner} only"
    if not quoted:
        return None
    target = name.split("/")[0]
    if "/" not in name or target not in ROOMS:
        return f"'{name}' is not written from core/"
    if target != room and target not in ROOMS[room]:
        return f"core/{room} may not include core/{target}"
    if not (CORE / name).is_file():
        return f"'{name}' is not there"
    return None


def check_includes(path, text):
    room = path.relative_to(CORE).parts[0]
    for match in INCLUDE.finditer(text):
        problem = check_include(room, match.group(2), match.group(1) == '"')
        if problem:
            yield line_of(text, match.start()), problem
    if path.suffix == ".c" and path.with_suffix(".h").is_file():
        first = INCLUDE.search(text)
        own = path.with_suffix(".h").relative_to(CORE).as_posix()
        if not first or first.group(2) != own:
            yield 1, f"its own header '{own}' is not included first"


def check_lengths(path, text):
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield 1, f"{lines} lines, more than {FILE_LINES}"
    for match in FUNCTION.finditer(text):
        head = match.group(0).split("{", 1)[0]
        name = (re.findall(r"(\w+)\s*\(", head) or ["?"])[0]
        length = match.group(0).count("\n") + 1
        if length > FUNCTION_LINES and f"{path.relative_to(CORE).as_posix()}:{name}" not in LONG_FUNCTIONS:
            yield line_of(text, match.start()), f"'{name}' has {length} lines, more than {FUNCTION_LINES}"


def check_names(path, text, plugins):
    if path.relative_to(CORE).as_posix() in NAMES_A_PLUGIN:
        return
    for name in plugins:
        for match in re.finditer(rf"\b{re.escape(name)}\b", text):
            yield line_of(text, match.start()), f"names the shipped plugin '{name}'"


def check_table():
    for room, below in ROOMS.items():
        for other in below:
            if room in ROOMS[other]:
                yield f"the table lets core/{room} and core/{other} include each other"
    for entry in CORE.iterdir():
        if entry.is_dir() and entry.name not in ROOMS:
            yield f"core/{entry.name} has no row in the table of rooms"
    for name in list(NAMES_A_PLUGIN) + [name.split(":")[0] for name in LONG_FUNCTIONS]:
        if not (CORE / name).is_file():
            yield f"core/{name} has an exception but is not there"


def main():
    plugins = sorted(p.name for p in (SOURCE / "plugins").iterdir() if p.is_dir())
    problems = list(check_table())
    files = sorted(p for p in CORE.rglob("*") if p.suffix in (".c", ".h"))
    functions = 0
    for path in files:
        text = blank_comments(path.read_text(encoding="utf-8"))
        functions += len(FUNCTION.findall(text)) if path.suffix == ".c" else 0
        for check in (check_includes(path, text), check_lengths(path, text), check_names(path, text, plugins)):
            problems += [f"{path.relative_to(SOURCE)}:{line}: {problem}" for line, problem in check]
    if not files or functions < 2 * len(files):
        problems.append(f"only {functions} functions were found in {len(files)} files: the check itself is broken")
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {functions} functions, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
