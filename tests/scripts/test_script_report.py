"""scripts/report.sh: the totals of scripts/test are those of ctest, cmocka and pytest."""

import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

CTEST = """\
test 1
    Start 1: base/test_text

1: Test command: build/release/tests/unit_base_test_text
1: [==========] Running 4 test(s).
1: [  PASSED  ] 4 test(s).
2: [==========] Running 3 test(s).
2: test_map.c:10: error: Failure!
2: [  PASSED  ] 1 test(s).
2: [  FAILED  ] 2 test(s), listed below:
2: [  FAILED  ] map__grows
1/6 Test #1: base/test_text .....................   Passed    0.01 sec
2/6 Test #2: base/test_map ......................***Failed    0.01 sec
3: AddressSanitizer: heap-use-after-free
3: [  PASSED  ] 5 test(s).
3/6 Test #3: json/test_reader ...................Subprocess aborted***Exception:   0.40 sec
4/6 Test #4: includes ...........................   Passed    0.02 sec
5/6 Test #5: fuzz/slow ..........................***Timeout  60.00 sec
6/6 Test #6: json/conformance ...................***Skipped   0.00 sec

50% tests passed, 3 tests failed out of 6
"""


def report(tmp_path, call, text, status=0):
    log = tmp_path / "log"
    log.write_text(text)
    command = f'. "$1/scripts/report.sh"; {call} "$2" {status}'
    return subprocess.run(["bash", "-c", command, "bash", str(SOURCE), str(log)], text=True,
                          capture_output=True, check=True, timeout=10).stdout


def test_ctest_counts_cases_and_programs_without_cases(tmp_path):
    # 4 + 1 + 5 reported, 1 program without cases; 2 reported, 1 crash, 1 time-out.
    assert report(tmp_path, "count_ctest", CTEST).split() == ["11", "4"]


def test_ctest_shows_only_what_failed(tmp_path):
    shown = report(tmp_path, "show_ctest", CTEST)
    assert "test_map.c:10" in shown
    assert "heap-use-after-free" in shown
    assert "fuzz/slow" in shown
    assert "base/test_text" not in shown
    assert "conformance" not in shown


@pytest.mark.parametrize("line, counts", [
    ("12 passed in 3.21s", ["12", "0"]),
    ("1 failed, 12 passed, 2 skipped, 3 warnings, 1 error in 3.21s", ["12", "2"]),
    ("======= 2 errors in 61.20s (0:01:01) =======", ["0", "2"]),
    ("no tests ran in 0.01s", ["0", "0"]),
    ("ERROR: file or directory not found: tests/e2e", ["0", "0"]),
])
def test_pytest_counts(tmp_path, line, counts):
    text = f"FAILED test_x.py::test_y - assert 3 passed in 9s\n{line}\n"
    if "passed" not in line and "error" not in line:
        text = line + "\n"
    assert report(tmp_path, "count_pytest", text).split() == counts


@pytest.mark.parametrize("kind, status, counts", [
    ("build", 0, ["0", "0"]), ("build", 2, ["0", "1"]),
    ("check", 0, ["1", "0"]), ("check", 1, ["0", "1"]),
])
def test_a_build_counts_only_when_it_fails(tmp_path, kind, status, counts):
    assert report(tmp_path, f"count_{kind}", "", status).split() == counts
