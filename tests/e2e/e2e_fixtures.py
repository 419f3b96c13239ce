"""What the tests that start hosts share, here and in tests/fault and tests/node: a time limit for each, a short temporary directory, and hosts
that end with the test.

`@pytest.mark.limit(seconds)` gives a test another limit than the usual one; limits grow with
PINION_TEST_SLOW (and by themselves for a binary built with sanitizers)."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
pytest.register_assert_rewrite("e2e_host", "e2e_http", "e2e_load", "e2e_plugins")

import e2e_host  # noqa: E402

LIMIT_SECONDS = 30


def pytest_configure(config):
    config.addinivalue_line("markers",
        "limit(seconds): the time this test may take, instead of the usual")


def pytest_report_header():
    return f"pinion: {e2e_host.BINARY}, times x{e2e_host.SLOW:g}"


def pytest_sessionstart():
    if not os.access(e2e_host.BINARY, os.X_OK):
        pytest.exit(f"there is no binary '{e2e_host.BINARY}': build it, or set PINION",
            returncode=2)


@pytest.fixture(autouse=True)
def time_limit(request):
    """Fails the test where it stands when its time is up."""
    marker = request.node.get_closest_marker("limit")
    seconds = (marker.args[0] if marker else LIMIT_SECONDS) * e2e_host.SLOW

    def expire(*_):
        raise TimeoutError(f"the test took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def temporary_folder():
    """A path short enough for the sockets in it."""
    return pathlib.Path(tempfile.mkdtemp(prefix="pinion-"))


@pytest.fixture
def folder():
    path = temporary_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start_host(folder):
    """start_host(plugins, …) gives a running Host; the rest are Host's own arguments. Those still
    running at the end are stopped, which checks how they end."""
    hosts = []

    def start(plugins=(), wait=True, into=None, **options):
        place = folder / (into or f"host{len(hosts)}")
        place.mkdir(exist_ok=True)
        host = e2e_host.Host(place, plugins, **options)
        hosts.append(host)
        return host.start(wait)

    try:
        yield start
        for host in hosts:
            if host.process:
                host.stop()
    finally:
        for host in hosts:
            host.discard()


@pytest.fixture(scope="module")
def shipped():
    """One host with the shipped plugins for all tests of a module that do not change it."""
    place = temporary_folder()
    host = e2e_host.Host(place, e2e_host.PLUGINS, mode="serve")
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()
        shutil.rmtree(place, ignore_errors=True)
