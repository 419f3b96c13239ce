"""What the tests of scripts/ share: a copy of the scripts under a path with a space, and programs
put before the real ones in PATH. Nothing here touches the repository's own build folder."""

import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Workspace:
    """A folder that looks like a fresh clone with nothing but scripts in it."""

    def __init__(self, base):
        self.root = base / "a clone"
        self.bin = base / "bin"
        self.deps = self.root / "build" / "deps"
        shutil.copytree(SOURCE / "scripts", self.root / "scripts")
        self.bin.mkdir()

    def program(self, name, text):
        """A shell script that is found before the real program of that name."""
        path = self.bin / name
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)

    def run(self, script, *arguments, **environment):
        """Runs a script of this clone with no input; the result has returncode, stdout, stderr."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PINION")}
        env["PATH"] = f"{self.bin}:{env['PATH']}"
        env.update(environment)
        return subprocess.run(
            [str(self.root / "scripts" / script), *arguments], env=env, cwd="/", text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=120)

    def installed(self):
        """Names in build/deps that another program could use."""
        return sorted(p.name for p in self.deps.glob("*")) if self.deps.exists() else []


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def lua_archive():
    """The checked archive that scripts/lua left in this repository."""
    found = sorted((SOURCE / "build" / "deps").glob("lua-5.4.*.tar.gz"))
    if not found:
        pytest.skip("no Lua archive in build/deps: run scripts/lua first")
    return found[-1]
