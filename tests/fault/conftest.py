"""The fixtures of the end-to-end tests, for the attacks: see tests/e2e/conftest.py."""

import importlib.util
import pathlib
import sys

END_TO_END = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(END_TO_END))

spec = importlib.util.spec_from_file_location("e2e_conftest", END_TO_END / "conftest.py")
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)

pytest_configure = shared.pytest_configure
pytest_report_header = shared.pytest_report_header
pytest_sessionstart = shared.pytest_sessionstart
time_limit = shared.time_limit
folder = shared.folder
start_host = shared.start_host


def pytest_terminal_summary(terminalreporter):
    """The measured table, when all of it was asked for (PINION_FULL)."""
    module = sys.modules.get("test_zoo")
    if module and module.FULL:
        for line in module.table():
            terminalreporter.write_line(line)
