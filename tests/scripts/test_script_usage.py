"""Every script: valid shell, executable, explains itself, and calls wrong usage by its exit code."""

import os
import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

COMMANDS = ["lua", "packages", "run", "test"]
SCRIPTS = [SOURCE / "scripts" / name for name in [*COMMANDS, "lib.sh", "report.sh"]]
SCRIPTS.append(SOURCE / ".ci" / "run")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_valid_shell(script):
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=10)
    assert script.suffix == ".sh" or os.access(script, os.X_OK)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_the_script(workspace, name):
    result = workspace.run(name, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: scripts/{name}")
    assert not workspace.deps.exists()


@pytest.mark.parametrize("arguments, said", [
    (["--port", "x"], "not 'x'"),
    (["--port", "65536"], "not '65536'"),
    (["--admin-port=-1"], "not '-1'"),
    (["--data"], "--data needs a value"),
])
def test_run_refuses_bad_options(workspace, arguments, said):
    result = workspace.run("run", *arguments)
    assert result.returncode == 2
    assert said in result.stderr


def test_run_passes_ports_data_and_options_on(workspace):
    (workspace.root / "scripts" / "packages").write_text("#!/bin/sh\n")
    (workspace.root / "scripts" / "lua").write_text("#!/bin/sh\n")
    workspace.program("cmake", "exit 0\n")
    binary = workspace.root / "build" / "release" / "pinion"
    binary.parent.mkdir(parents=True)
    binary.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    binary.chmod(0o755)
    result = workspace.run("run", "--port", "18080", "--admin-port=18081", "--data", "some where",
                           "--workers", "1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(
        "<dev><plugins><--listen><127.0.0.1:18080><--admin><127.0.0.1:18081>"
        "<--data><//some where><--workers><1>")
    assert "http://127.0.0.1:18080/greet" in result.stdout


def test_run_shows_why_a_step_failed(workspace):
    (workspace.root / "scripts" / "packages").write_text("#!/bin/sh\necho the reason\nexit 1\n")
    result = workspace.run("run")
    assert result.returncode == 1
    assert "the reason" in result.stderr
    assert "build/packages.log" in result.stderr


def test_test_refuses_unknown_arguments(workspace):
    result = workspace.run("test", "--fast")
    assert result.returncode == 2
    assert "'--fast'" in result.stderr
