"""scripts/lua: only the pinned source is built, whole or not at all, and only when needed."""

import hashlib
import time

import pytest

PINNED = "2335b6c582a52654f94612bf10d2f4672805d05329aa6568b1d8cd9e5c6fb8e6"
NO_NETWORK = 'echo "curl: (6) no network here" >&2; exit 6\n'


def refuses(result, archive_name, data):
    assert result.returncode == 1
    assert "wrong SHA-256" in result.stderr
    assert archive_name in result.stderr
    assert f"expected {PINNED}" in result.stderr
    assert f"got      {hashlib.sha256(data).hexdigest()}" in result.stderr


def test_wrong_hash_of_a_given_archive_is_refused(workspace, tmp_path):
    archive = tmp_path / "not lua.tar.gz"
    archive.write_bytes(b"something else")
    result = workspace.run("lua", "release", PINION_LUA_ARCHIVE=str(archive))
    refuses(result, str(archive), b"something else")
    assert workspace.installed() in ([], [".lock"])


def test_wrong_hash_from_a_mirror_is_refused(workspace, tmp_path):
    pool = tmp_path / "mirror" / "pool" / "main" / "l" / "lua5.4"
    pool.mkdir(parents=True)
    (pool / "lua5.4_5.4.9.orig.tar.gz").write_bytes(b"tampered with")
    workspace.program("apt-get", f'echo "file:{tmp_path}/mirror/"\n')
    result = workspace.run("lua", "release")
    refuses(result, "lua-5.4.9.tar.gz", b"tampered with")
    assert "lua5.4_5.4.9.orig.tar.gz" in result.stderr
    assert workspace.installed() in ([], [".lock"])


def test_wrong_hash_of_an_earlier_download_is_refused(workspace):
    workspace.deps.mkdir(parents=True)
    (workspace.deps / "lua-5.4.9.tar.gz").write_bytes(b"cut sho")
    result = workspace.run("lua", "release")
    refuses(result, "lua-5.4.9.tar.gz", b"cut sho")


def test_unreadable_archive_is_named(workspace):
    result = workspace.run("lua", PINION_LUA_ARCHIVE="/nonexistent/lua.tar.gz")
    assert result.returncode == 1
    assert "cannot read '/nonexistent/lua.tar.gz'" in result.stderr


def test_no_source_at_all_says_what_was_tried(workspace):
    workspace.program("apt-get", "exit 1\n")
    workspace.program("curl", NO_NETWORK)
    result = workspace.run("lua", "release")
    assert result.returncode == 1
    assert "https://www.lua.org/ftp/lua-5.4.9.tar.gz: curl: (6) no network here" in result.stderr
    assert "https://www.lua.org/ftp/lua-5.4.8.tar.gz" in result.stderr
    assert "set PINION_LUA_ARCHIVE" in result.stderr


def test_given_archive_is_built_once(workspace, lua_archive):
    workspace.program("apt-get", "exit 1\n")
    workspace.program("curl", NO_NETWORK)
    first = workspace.run("lua", "release", PINION_LUA_ARCHIVE=str(lua_archive))
    assert first.returncode == 0, first.stderr
    link = workspace.deps / "lua"
    assert link.is_symlink() and not link.readlink().is_absolute()
    library = link / "lib" / "liblua.a"
    headers = {p.name for p in (link / "include").iterdir()}
    assert headers == {"lua.h", "luaconf.h", "lualib.h", "lauxlib.h"}
    assert not list(workspace.deps.glob(".work.*"))

    made = library.stat().st_mtime_ns
    start = time.monotonic()
    second = workspace.run("lua", "release")
    assert second.returncode == 0, second.stderr
    assert time.monotonic() - start < 1
    assert library.stat().st_mtime_ns == made


def test_failed_compilation_leaves_what_was_there(workspace, lua_archive):
    workspace.program("gcc", '[ "$1" = --version ] && echo "gcc 0" && exit\nexit 1\n')
    old = workspace.deps / "lua-5.4.9"
    old.mkdir(parents=True)
    (old / "stamp").write_text("an older build\n")
    result = workspace.run("lua", "release", PINION_LUA_ARCHIVE=str(lua_archive))
    assert result.returncode == 1
    assert "cannot compile Lua" in result.stderr
    assert (old / "stamp").read_text() == "an older build\n"
    assert not (workspace.deps / "lua").exists()
    assert not list(workspace.deps.glob(".work.*"))


@pytest.mark.parametrize("argument", ["--fast", "debug"])
def test_unknown_argument_is_wrong_usage(workspace, argument):
    result = workspace.run("lua", argument)
    assert result.returncode == 2
    assert f"'{argument}'" in result.stderr
