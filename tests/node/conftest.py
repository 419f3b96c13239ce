"""The fixtures of the end-to-end tests (tests/e2e/e2e_fixtures.py), and npm packages.

What package-lock.json lists is installed into build/test-node when that is not there yet; the
sources stay free of node_modules, and scripts of this folder run from there."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
INSTALLED = HERE.parents[1] / "build" / "test-node"
FILES = ("package.json", "package-lock.json", ".npmrc")
sys.path.insert(0, str(HERE.parent / "e2e"))

from e2e_fixtures import *  # noqa: E402,F401,F403

INSTALL_SECONDS, RUN_SECONDS = 240, 60


def lock_hash():
    return hashlib.sha256(b"\0".join((HERE / name).read_bytes() for name in FILES)).hexdigest()


def install(mark):
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    for name in FILES:
        shutil.copy(HERE / name, INSTALLED / name)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=INSTALLED, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    assert done.returncode == 0, f"npm ci failed: {done.stderr}"
    mark.write_text(lock_hash())


@pytest.fixture(scope="session")
def npm_packages():
    """The folder whose node_modules has the packages."""
    mark = INSTALLED / ".installed"
    if not mark.exists() or mark.read_text() != lock_hash():
        install(mark)
    return INSTALLED


@pytest.fixture
def run_node(npm_packages):
    """run_node("script.mjs", *arguments, given=value): runs a script of this folder among the
    packages, with `given` as JSON on its standard input; what it wrote, read as JSON."""
    def run(script, *arguments, given=None):
        shutil.copy(HERE / script, npm_packages / script)
        done = subprocess.run(["node", str(npm_packages / script), *map(str, arguments)],
            input=json.dumps(given), capture_output=True, text=True, timeout=RUN_SECONDS,
            check=False)
        assert done.returncode == 0, f"{script} failed: {done.stderr}"
        return json.loads(done.stdout)

    return run


@pytest.fixture
def node(npm_packages):
    """node("program.mjs", argument…) runs it to its end: returncode, stdout, stderr."""
    def run(program, *arguments, timeout=RUN_SECONDS):
        shutil.copy(HERE / program, npm_packages / program)
        return subprocess.run(["node", program, *map(str, arguments)], cwd=npm_packages,
            capture_output=True, text=True, timeout=timeout, check=False)
    return run
