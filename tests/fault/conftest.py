"""The fixtures of the end-to-end tests, for the attacks: see tests/e2e/e2e_fixtures.py."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from e2e_fixtures import *  # noqa: E402,F401,F403


def pytest_terminal_summary(terminalreporter):
    """The measured table, when all of it was asked for (PINION_FULL)."""
    module = sys.modules.get("test_zoo")
    if module and module.FULL:
        for line in module.table():
            terminalreporter.write_line(line)
