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
pytest.register_assert_rewrite("e2e_host", "e2e_http", "e2e_load", "e2e_plugins", "e2e_postgres")

import e2e_host  # noqa: E402
import e2e_postgres  # noqa: E402

LIMIT_SECONDS = 30


def pytest_configure(config):
    config.addinivalue_line("markers",
        "limit(seconds): the time this test may take, instead of the usual")
    config.addinivalue_line("markers", "both_engines: run with SQLite and with PostgreSQL")


def pytest_generate_tests(metafunc):
    """With `pytestmark = pytest.mark.both_engines` a module's tests run with each."""
    if metafunc.definition.get_closest_marker("both_engines") and "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", ["sqlite", "postgresql"], indirect=True, scope="module")


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
def start_host(folder, engine):
    """start_host(plugins, …) gives a running Host; the rest are Host's own arguments. Those still
    running at the end are stopped, which checks how they end."""
    hosts = []

    def start(plugins=(), wait=True, into=None, config=None, **options):
        place = folder / (into or f"host{len(hosts)}")
        place.mkdir(exist_ok=True)
        host = e2e_host.Host(place, plugins, config=engine.config(place, config), **options)
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
def shipped(engine):
    """One host with the shipped plugins for all tests of a module that do not change it."""
    place = temporary_folder()
    host = e2e_host.Host(place, e2e_host.PLUGINS, mode="serve", config=engine.config(place))
    try:
        yield host.start()
        host.stop()
    finally:
        host.discard()
        shutil.rmtree(place, ignore_errors=True)


# ---- PostgreSQL


class Servers:
    """postgres_server(…) gives a running Server of its own; `keep` is told of others, to end them."""

    def __init__(self, folder, template):
        self.folder, self.template, self.all = folder, template, []

    def __call__(self, settings=()):
        server = e2e_postgres.Server(self.folder / f"pg{len(self.all)}", settings)
        self.all.append(server)
        return server.create(self.template).start()

    def keep(self, server):
        self.all.append(server)
        return server

    def discard(self):
        for server in self.all:
            server.discard()


@pytest.fixture(scope="session")
def postgres_template():
    """A cluster that was never started. No test against a server is left out where CI is set."""
    if not e2e_postgres.binaries():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no PostgreSQL server: scripts/packages test")
    place = e2e_postgres.passable_folder()
    try:
        yield e2e_postgres.Server(place / "t").create()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def postgres_server(postgres_template):
    place = e2e_postgres.passable_folder()
    servers = Servers(place, postgres_template)
    try:
        yield servers
    finally:
        servers.discard()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(postgres_template):
    """One server for all tests that do not disturb it; each makes databases of its own. These are many, and
    nothing of them is to outlive the server: it waits for no disk."""
    with e2e_postgres.temporary_server(postgres_template, ["fsync=off"]) as server:
        yield server


class Engine:
    """Where hosts keep plugins' data: `config` is what a host in a folder is told, always the same for one."""

    def __init__(self, server=None):
        self.server, self.urls = server, {}
        self.name = "postgresql" if server else "sqlite"

    def config(self, place, given=None):
        if not self.server:
            return given
        if place not in self.urls:
            self.urls[place] = self.server.database(f"test_{os.urandom(4).hex()}")
        return {"database": self.urls[place], "database_connections": 4, **(given or {})}


@pytest.fixture(scope="module")
def engine(request):
    """SQLite, unless a module's mark says otherwise."""
    remote = getattr(request, "param", "sqlite") == "postgresql"
    return Engine(request.getfixturevalue("postgres") if remote else None)
