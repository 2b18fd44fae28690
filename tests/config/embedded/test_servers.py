"""Embedded PostgreSQL and Valkey: shared by processes, restarted after a kill, with clear errors."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from config.embedded import file_access, server_process
from config.embedded.postgres import PostgresServer
from config.embedded.server_process import EmbeddedServer, is_alive
from config.embedded.servers import EmbeddedServers, ServerError, check_address
from config.embedded.valkey import ValkeyServer
from tests.ports import reserve_port
from tests.waiting import wait_until

PROJECT = Path(file_access.__file__).parents[2]
NOBODY = 65534
USER_PROGRAM = """
import json, sys
from pathlib import Path
from config.embedded.servers import EmbeddedServers, ServerError
servers = EmbeddedServers(Path(sys.argv[1]))
try:
    addresses = servers.ensure(postgres=True, valkey=True)
except ServerError as error:
    sys.exit(str(error))
pids = [server.pid for server in servers.used]
print(json.dumps([addresses.postgres, addresses.valkey, pids]), flush=True)
sys.stdin.read()
"""
# replaces itself with exec, as `manage.py demo` does when the data is loaded
REPLACED_PROGRAM = """
import os, sys
sys.path.insert(0, "")
import manage
from config.embedded.servers import build_child_environment
manage.set_server_urls()
if sys.argv[1] == "again":
    os.execve(sys.executable, [sys.executable, "-c", sys.argv[2], "once", ""], build_child_environment())
print(os.environ["DATABASE_URL"], flush=True)
sys.stdin.read()
"""

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


@contextmanager
def make_temporary_folder() -> Iterator[Path]:
    """Yield a folder outside pytest's tmp_path, whose parent PostgreSQL's user may not enter."""
    with tempfile.TemporaryDirectory(prefix="perennial-embedded-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="module")
def var() -> Iterator[Path]:
    """Yield a folder for the tests that can reuse a cluster; each test leaves it stopped."""
    with make_temporary_folder() as folder:
        yield folder / "var"


@pytest.fixture
def folder() -> Iterator[Path]:
    with make_temporary_folder() as folder:
        yield folder


@pytest.fixture
def empty_var(folder: Path) -> Path:
    return folder / "var"


@pytest.fixture(autouse=True)
def use_free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Avoid the ports of a Perennial that runs on this machine."""
    monkeypatch.setattr(PostgresServer, "preferred_port", reserve_port())
    monkeypatch.setattr(ValkeyServer, "preferred_port", reserve_port())


@contextmanager
def use_servers(var: Path, messages: list[str] | None = None) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(var, report=(messages if messages is not None else []).append)
    try:
        yield servers
    finally:
        servers.release()


def start_user(var: Path, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER_PROGRAM, str(var)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def read_server_details(user: subprocess.Popen[str]) -> Any:
    assert user.stdout is not None
    line = user.stdout.readline()
    if not line:
        pytest.fail(user.communicate()[1])
    return json.loads(line)


def list_pids(servers: EmbeddedServers) -> list[int]:
    return [server.pid for server in servers.used if server.pid is not None]


def query(url: str | None, statement: str) -> list[tuple[Any, ...]]:
    assert url is not None
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_the_first_start_creates_a_database_that_handles_chinese_text(var: Path) -> None:
    with use_servers(var) as servers:
        url = servers.ensure(postgres=True, valkey=False).postgres
        assert query(url, "SELECT current_database(), pg_encoding_to_char(6)") == [("perennial", "UTF8")]
        query(url, "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS vector")
        [(trigrams, lower)] = query(url, "SELECT show_trgm('茉莉花茶'), lower('ÉCROU')")
        assert len(trigrams) == 5
        assert lower == "écrou"


def test_valkey_has_a_limit_of_memory_and_evicts_only_what_expires(var: Path) -> None:
    with use_servers(var) as servers:
        url = servers.ensure(postgres=False, valkey=True).valkey
        with redis.Redis.from_url(str(url)) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
            assert int(client.config_get("maxmemory")["maxmemory"]) > 0


def test_all_files_are_readable_only_by_their_owner(empty_var: Path) -> None:
    with use_servers(empty_var) as servers:
        servers.ensure(postgres=False, valkey=True)
        with redis.Redis.from_url(str(servers.used[0].build_url())) as client:
            client.save()
        paths = [empty_var, *empty_var.rglob("*")]
        assert {"servers.password", "valkey.conf", "valkey.log", "dump.rdb"} <= {path.name for path in paths}
        assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_concurrent_processes_share_servers_and_the_last_one_stops_them(empty_var: Path) -> None:
    first, second = start_user(empty_var), start_user(empty_var)
    details = read_server_details(first)
    assert read_server_details(second) == details
    first.communicate()
    assert query(details[0], "SELECT 1") == [(1,)]
    second.communicate()
    assert not any(is_alive(pid) for pid in details[2])


def test_a_program_started_by_exec_keeps_the_servers_running(empty_var: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "VALKEY_URL")}
    program = subprocess.Popen(
        [sys.executable, "-c", REPLACED_PROGRAM, "again", REPLACED_PROGRAM],
        cwd=PROJECT,
        env=environment | {"PERENNIAL_VAR": str(empty_var)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    url = program.stdout.readline().strip()
    with use_servers(empty_var) as other_user:
        assert other_user.ensure(postgres=True, valkey=True).postgres == url
        pids = list_pids(other_user)
    assert query(url, "SELECT 1") == [(1,)]  # the servers keep running after the visitor has left
    program.communicate()
    assert not any(is_alive(pid) for pid in pids)


def test_a_port_in_use_is_replaced_and_reported(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, use_servers(empty_var, messages) as servers:
        used_port = listener.getsockname()[1]
        monkeypatch.setattr(ValkeyServer, "preferred_port", used_port)
        url = servers.ensure(postgres=False, valkey=True).valkey
        check_address("VALKEY_URL", str(url))
        assert f":{used_port}/" not in str(url)
        assert any(f"Port {used_port} is in use" in message for message in messages)


@pytest.mark.parametrize(("kind", "number"), [(PostgresServer, 0), (ValkeyServer, 1)])
def test_a_port_that_another_installation_takes_first_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: type[EmbeddedServer], number: int
) -> None:
    names = {"postgres": number == 0, "valkey": number == 1}
    with use_servers(folder / "first") as first, use_servers(folder / "second") as second:
        first.ensure(**names)
        taken = first.used[0].read_configured_port()
        monkeypatch.setattr(kind, "preferred_port", taken)
        # as if the first one had started between the look and the start
        monkeypatch.setattr(server_process, "is_port_free", lambda host, port: True)
        second.ensure(**names)
        assert second.used[0].read_configured_port() != taken
        assert set(list_pids(first)).isdisjoint(list_pids(second))


def test_the_password_is_not_compared_with_that_of_another_server_on_the_port(folder: Path) -> None:
    with use_servers(folder / "first") as first:
        first.ensure(postgres=True, valkey=False)
        second = PostgresServer(folder / "second", password="another", throw_away=False, report=lambda message: None)
        second.data.mkdir(parents=True)
        port = first.used[0].read_configured_port()
        (second.data / "perennial.conf").write_text(f"port = '{port}'\n")
        starting = subprocess.Popen([sys.executable, "-c", "input()", str(second.data)], stdin=subprocess.PIPE)
        recorded = [str(starting.pid), str(second.data), "1764600000", str(port), "", "127.0.0.1", "1 2"]
        (second.data / "postmaster.pid").write_text("\n".join([*recorded, "starting\n"]))
        wait_until(lambda: second.find_running_pid() == starting.pid, what="the start of a program with this folder")
        assert not second.is_answering()
        (second.data / "postmaster.pid").write_text("\n".join([*recorded, "ready\n"]))
        with pytest.raises(ServerError, match=r"servers\.password is not the password"):
            second.is_answering()
        starting.communicate(b"\n")


def test_servers_of_a_killed_process_are_reused_by_the_next_one(var: Path) -> None:
    killed = start_user(var)
    details = read_server_details(killed)
    killed.kill()
    killed.communicate()
    with use_servers(var) as servers:
        addresses = servers.ensure(postgres=True, valkey=True)
        assert [addresses.postgres, addresses.valkey, list_pids(servers)] == details
    assert not any(is_alive(pid) for pid in details[2])


def test_killed_servers_are_detected_and_restart_with_all_committed_data(var: Path) -> None:
    with use_servers(var) as servers:
        before = servers.ensure(postgres=True, valkey=True)
        query(before.postgres, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS number")
        with redis.Redis.from_url(str(before.valkey)) as client:
            client.set("kept", 7)
        assert servers.list_ended() == []
        for pid in list_pids(servers):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: servers.list_ended() == ["PostgreSQL", "Valkey"], what="the end of both servers")
    with use_servers(var) as servers:
        after = servers.ensure(postgres=True, valkey=True)
        assert query(after.postgres, "SELECT number FROM kept") == [(7,)]
        with redis.Redis.from_url(str(after.valkey)) as client:
            assert client.get("kept") == b"7"


def test_an_incomplete_cluster_is_recreated_and_a_foreign_pid_is_ignored(empty_var: Path) -> None:
    (empty_var / "postgres.new" / "base").mkdir(parents=True)
    with use_servers(empty_var) as servers:
        servers.ensure(postgres=True, valkey=False)
    assert not (empty_var / "postgres.new").exists()
    (empty_var / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{empty_var / 'postgres'}\n")
    with use_servers(empty_var) as servers:
        assert query(servers.ensure(postgres=True, valkey=False).postgres, "SELECT 1") == [(1,)]


def test_a_zombie_postmaster_is_ignored(var: Path) -> None:
    with use_servers(var) as servers:
        servers.ensure(postgres=True, valkey=False)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: not is_alive(dead.pid), what="the end of a process that stays a zombie")
    (var / "postgres" / "postmaster.pid").write_text(f"{dead.pid}\n{var / 'postgres'}\n")
    with use_servers(var) as servers:
        assert query(servers.ensure(postgres=True, valkey=False).postgres, "SELECT 1") == [(1,)]
    dead.wait()


def test_a_cluster_of_another_version_is_rejected_with_its_version(empty_var: Path) -> None:
    (empty_var / "postgres").mkdir(parents=True)
    (empty_var / "postgres" / "PG_VERSION").write_text("17\n")
    with (
        use_servers(empty_var) as servers,
        pytest.raises(ServerError, match="was created by PostgreSQL 17, but the installed wheel"),
    ):
        servers.ensure(postgres=True, valkey=False)


def test_the_error_for_a_wrong_password_names_the_file(var: Path) -> None:
    with use_servers(var) as servers:
        servers.ensure(postgres=True, valkey=False)
    path = var / "secrets" / "servers.password"
    password = path.read_text()
    path.write_text("another")
    try:
        with use_servers(var) as servers, pytest.raises(ServerError, match=r"servers\.password is not the password"):
            servers.ensure(postgres=True, valkey=False)
    finally:
        path.write_text(password)


def test_a_full_disk_is_reported_before_anything_is_created(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr("config.embedded.server_process.shutil.disk_usage", lambda path: usage(10**9, 10**9, 5_000_000))
    with use_servers(empty_var) as servers, pytest.raises(ServerError, match=r"has 5 MB free.*PERENNIAL_VAR"):
        servers.ensure(postgres=True, valkey=False)
    assert not (empty_var / "postgres.new").exists()


def build_ordinary_user_options(folder: Path) -> dict[str, Any]:
    """Return the Popen options for an ordinary user who owns the folder."""
    if os.geteuid() != 0:
        return {}
    file_access.make_parents_traversable(folder)
    file_access.make_parents_traversable(PROJECT / "config")
    os.chown(folder, NOBODY, NOBODY)
    user_options: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run(
            [sys.executable, "-c", "import config.embedded.servers"], cwd=PROJECT, check=True, **user_options
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the ordinary user cannot run {sys.executable}: {error}")
    return user_options


def test_an_ordinary_user_can_run_the_servers(folder: Path) -> None:
    user = start_user(folder / "var", **build_ordinary_user_options(folder))
    url, _, server_pids = read_server_details(user)
    assert query(url, "SELECT 1") == [(1,)]
    user.communicate()
    assert not any(is_alive(pid) for pid in server_pids)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a folder the ordinary user may not write")
def test_the_error_for_a_folder_without_permission_names_it(folder: Path) -> None:
    user_options = build_ordinary_user_options(folder)
    os.chown(folder, 0, 0)
    user = start_user(folder / "var", **user_options)
    _, message = user.communicate()
    assert user.returncode == 1
    assert f"{folder / 'var'}: Permission denied" in message
    assert "PERENNIAL_VAR" in message


@pytest.mark.parametrize(
    ("variable", "url", "message"),
    [
        (
            "DATABASE_URL",
            "postgresql://me:secret@127.0.0.1:1/shop",
            "DATABASE_URL: the server at 127.0.0.1:1 is not usable",
        ),
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:99999/shop", "DATABASE_URL: the server at 127.0.0.1:99999"),
        ("DATABASE_URL", "mysql://me:secret@127.0.0.1/shop", "DATABASE_URL must look like postgresql://"),
        ("VALKEY_URL", "redis://:secret@127.0.0.1:1/0", "VALKEY_URL: the server at 127.0.0.1:1 is not usable"),
        ("VALKEY_URL", "127.0.0.1:6379", "VALKEY_URL must look like redis://"),
    ],
)
def test_an_invalid_url_is_reported_in_one_line_without_its_password(variable: str, url: str, message: str) -> None:
    with pytest.raises(ServerError) as error_info:
        check_address(variable, url)
    assert str(error_info.value).startswith(message)
    assert "\n" not in str(error_info.value)
    assert "secret" not in str(error_info.value)


def test_a_copy_of_a_folder_does_not_take_the_servers_of_the_original_for_its_own(folder: Path) -> None:
    with use_servers(folder / "var") as original:
        original.ensure(postgres=True, valkey=True)
        shutil.copytree(folder / "var" / "run", folder / "copy" / "run")
        shutil.copytree(folder / "var" / "secrets", folder / "copy" / "secrets")
        password = (folder / "copy" / "secrets" / "servers.password").read_text().strip()
        copied = ValkeyServer(folder / "copy", password=password, throw_away=False, report=lambda message: None)
        assert copied.read_configured_port() == original.used[1].read_configured_port()
        assert (copied.is_answering(), copied.find_running_pid()) == (False, None)
        copied.stop()
        assert original.list_ended() == []
