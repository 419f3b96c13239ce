"""The servers that other tests run against are what those rely on: durable, ended for good, followed and
promoted without a loss."""

import subprocess

import e2e_host
import pytest


def test_a_server_keeps_what_was_committed_when_it_is_killed(postgres_server):
    server = postgres_server()
    url = server.database("shop")
    assert server.sql("show fsync") == server.sql("show synchronous_commit") == "on"
    server.sql("create table t (n int); insert into t values (7)", "shop")
    pids = server.pids()
    server.kill()
    assert not any(e2e_host.is_alive(pid) for pid in pids)
    server.start()
    assert server.sql("select n from t", "shop") == "7"
    for place in (url, server.url("shop", through="unix")):
        assert server.run("psql", "-XAt", place, "-c", "select current_user, rolcreaterole, rolsuper from pg_roles "
            "where rolname = current_user") == "pinion_host|t|f\n"


def test_a_paused_server_answers_when_it_goes_on(postgres_server):
    server = postgres_server()
    server.pause()
    with pytest.raises(subprocess.TimeoutExpired):
        server.run("psql", "-XAt", server.url("postgres", user="keeper"), "-c", "select 1", timeout=0.5)
    server.resume()
    assert server.sql("select 1") == "1"


@pytest.mark.limit(60)
def test_a_promoted_standby_has_all_that_was_committed(postgres_server):
    first = postgres_server()
    first.database("shop")
    second = first.standby(first.folder.parent / "second")
    postgres_server.keep(second)
    first.sql("create table t (n int); insert into t values (7)", "shop")
    first.kill()
    second.promote()
    second.sql("insert into t values (8)", "shop")
    assert second.sql("select sum(n) from t", "shop") == "15"
    url = first.url("shop", others=[second], more="target_session_attrs=read-write")
    assert second.run("psql", "-XAt", url, "-c", "select 1") == "1\n"
