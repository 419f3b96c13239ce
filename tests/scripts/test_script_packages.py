"""scripts/packages: asks dpkg first, installs only what is missing, and says why it cannot."""

import pytest

# Everything is installed but the packages named in the environment variable MISSING.
DPKG_QUERY = r"""
for name in "$@"; do
    case $name in -*) ;; *) [[ " $MISSING " == *" $name "* ]] || echo "installed $name" ;; esac
done
[ -z "$MISSING" ]
"""


@pytest.fixture
def system(workspace, tmp_path):
    calls = tmp_path / "calls"
    calls.write_text("")
    workspace.calls = calls
    workspace.program("dpkg-query", DPKG_QUERY)
    workspace.program("apt-get", f'echo "$*" >>"{calls}"\nexit "${{APT_STATUS:-0}}"\n')
    workspace.program("sleep", "exit 0\n")
    workspace.program("sudo", f'echo sudo >>"{calls}"\nexec "$@"\n')
    return workspace


@pytest.mark.parametrize("packages", ["run", "test", "bench"])
def test_nothing_missing_calls_no_apt(system, packages):
    result = system.run("packages", packages, MISSING="")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert system.calls.read_text() == ""


def test_only_what_is_missing_is_installed(system):
    result = system.run("packages", "test", MISSING="cmake wrk")
    assert result.returncode == 0, result.stderr
    calls = [c for c in system.calls.read_text().splitlines() if c != "sudo"]
    assert calls[0].endswith(" update")
    assert calls[1].endswith(" install --no-install-recommends cmake wrk")
    assert len(calls) == 2


def test_run_does_not_need_what_only_tests_use(system):
    result = system.run("packages", "run", MISSING="clang libcmocka-dev wrk")
    assert result.returncode == 0
    assert system.calls.read_text() == ""


def test_root_is_got_through_sudo(system):
    system.program("id", "echo 1000\n")
    assert system.run("packages", "run", MISSING="cmake").returncode == 0
    assert system.calls.read_text().splitlines()[0] == "sudo"


def test_failed_install_names_the_packages(system):
    result = system.run("packages", "run", MISSING="cmake", APT_STATUS="100")
    assert result.returncode == 1
    assert "cannot install cmake" in result.stderr


def test_unknown_set_is_wrong_usage(system):
    result = system.run("packages", "all", MISSING="")
    assert result.returncode == 2
    assert "'all'" in result.stderr
