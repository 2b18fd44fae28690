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

from config.embedded import postgres
from config.embedded.postgres import PostgresServer
from config.embedded.server_process import find_free_port, is_alive
from config.embedded.servers import EmbeddedServers, ServerError, check_address
from config.embedded.valkey import ValkeyServer
from tests.waiting import wait_until

PROJECT = Path(postgres.__file__).parents[2]
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
# as `manage.py demo` does once its long work is done
REPLACED_PROGRAM = """
import os, sys
sys.path.insert(0, "")
import manage
from config.embedded.servers import own_environment
manage.set_server_urls()
if sys.argv[1] == "again":
    os.execve(sys.executable, [sys.executable, "-c", sys.argv[2], "once", ""], own_environment())
print(os.environ["DATABASE_URL"], flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.slow


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Not pytest's tmp_path: every start of pytest closes the folder above it to the user that PostgreSQL runs as."""
    with tempfile.TemporaryDirectory(prefix="perennial-embedded-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="module")
def var() -> Iterator[Path]:
    """One folder for all tests that may find a cluster there: each leaves it stopped."""
    with temporary_folder() as folder:
        yield folder / "var"


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as folder:
        yield folder


@pytest.fixture
def fresh_var(folder: Path) -> Path:
    return folder / "var"


@pytest.fixture(autouse=True)
def own_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the ports of a Perennial that runs on this machine."""
    monkeypatch.setattr(PostgresServer, "preferred_port", find_free_port())
    monkeypatch.setattr(ValkeyServer, "preferred_port", find_free_port())


@contextmanager
def using(var: Path, said: list[str] | None = None) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(var, report=(said if said is not None else []).append)
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


def what_it_uses(user: subprocess.Popen[str]) -> Any:
    assert user.stdout is not None
    line = user.stdout.readline()
    if not line:
        pytest.fail(user.communicate()[1])
    return json.loads(line)


def pids(servers: EmbeddedServers) -> list[int]:
    return [server.pid for server in servers.used if server.pid is not None]


def query(url: str | None, statement: str) -> list[tuple[Any, ...]]:
    assert url is not None
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_first_start_makes_a_database_that_knows_chinese_words(var: Path) -> None:
    with using(var) as servers:
        url = servers.ensure(postgres=True, valkey=False).postgres
        assert query(url, "SELECT current_database(), pg_encoding_to_char(6)") == [("perennial", "UTF8")]
        query(url, "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS vector")
        [(trigrams, lower)] = query(url, "SELECT show_trgm('茉莉花茶'), lower('ÉCROU')")
        assert len(trigrams) == 5
        assert lower == "écrou"


def test_valkey_refuses_rather_than_forgets_when_its_memory_is_full(var: Path) -> None:
    with using(var) as servers:
        url = servers.ensure(postgres=False, valkey=True).valkey
        with redis.Redis.from_url(str(url)) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert int(client.config_get("maxmemory")["maxmemory"]) > 0


def test_passwords_are_readable_by_their_owner_alone(var: Path) -> None:
    with using(var) as servers:
        servers.ensure(postgres=False, valkey=True)
        for path in (var / "secrets" / "servers.password", var / "run" / "valkey.conf"):
            assert path.stat().st_mode & 0o077 == 0


def test_processes_that_start_together_share_servers_that_the_last_one_stops(fresh_var: Path) -> None:
    first, second = start_user(fresh_var), start_user(fresh_var)
    uses = what_it_uses(first)
    assert what_it_uses(second) == uses
    first.communicate()
    assert query(uses[0], "SELECT 1") == [(1,)]
    second.communicate()
    assert not any(is_alive(pid) for pid in uses[2])


def test_program_that_takes_the_place_of_another_keeps_the_servers_to_itself(fresh_var: Path) -> None:
    strange = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "VALKEY_URL")}
    program = subprocess.Popen(
        [sys.executable, "-c", REPLACED_PROGRAM, "again", REPLACED_PROGRAM],
        cwd=PROJECT,
        env=strange | {"PERENNIAL_VAR": str(fresh_var)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    url = program.stdout.readline().strip()
    with using(fresh_var) as visitor:
        assert visitor.ensure(postgres=True, valkey=True).postgres == url
        used = pids(visitor)
    assert query(url, "SELECT 1") == [(1,)]  # the visitor's end did not stop them
    program.communicate()
    assert not any(is_alive(pid) for pid in used)


def test_taken_port_is_replaced_by_another_and_said(fresh_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as stranger, using(fresh_var, said) as servers:
        taken = stranger.getsockname()[1]
        monkeypatch.setattr(ValkeyServer, "preferred_port", taken)
        url = servers.ensure(postgres=False, valkey=True).valkey
        check_address("VALKEY_URL", str(url))
        assert f":{taken}/" not in str(url)
        assert any(f"Port {taken} is in use" in message for message in said)


def test_servers_left_by_a_killed_process_serve_the_next_one(var: Path) -> None:
    killed = start_user(var)
    uses = what_it_uses(killed)
    killed.kill()
    killed.communicate()
    with using(var) as servers:
        addresses = servers.ensure(postgres=True, valkey=True)
        assert [addresses.postgres, addresses.valkey, pids(servers)] == uses
    assert not any(is_alive(pid) for pid in uses[2])


def test_killed_servers_are_noticed_and_come_back_with_everything_they_had_confirmed(var: Path) -> None:
    with using(var) as servers:
        before = servers.ensure(postgres=True, valkey=True)
        query(before.postgres, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS number")
        with redis.Redis.from_url(str(before.valkey)) as client:
            client.set("kept", 7)
        assert servers.list_ended() == []
        for pid in pids(servers):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: servers.list_ended() == ["PostgreSQL", "Valkey"], what="both servers' end")
    with using(var) as servers:
        after = servers.ensure(postgres=True, valkey=True)
        assert query(after.postgres, "SELECT number FROM kept") == [(7,)]
        with redis.Redis.from_url(str(after.valkey)) as client:
            assert client.get("kept") == b"7"


def test_half_made_cluster_is_made_again_and_a_strangers_pid_is_no_obstacle(fresh_var: Path) -> None:
    (fresh_var / "postgres.new" / "base").mkdir(parents=True)
    with using(fresh_var) as servers:
        servers.ensure(postgres=True, valkey=False)
    assert not (fresh_var / "postgres.new").exists()
    (fresh_var / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{fresh_var / 'postgres'}\n")
    with using(fresh_var) as servers:
        assert query(servers.ensure(postgres=True, valkey=False).postgres, "SELECT 1") == [(1,)]


def test_killed_postmaster_that_nobody_has_reaped_is_no_obstacle(var: Path) -> None:
    with using(var) as servers:
        servers.ensure(postgres=True, valkey=False)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: not is_alive(dead.pid), what="the end of a process that stays a zombie")
    (var / "postgres" / "postmaster.pid").write_text(f"{dead.pid}\n{var / 'postgres'}\n")
    with using(var) as servers:
        assert query(servers.ensure(postgres=True, valkey=False).postgres, "SELECT 1") == [(1,)]
    dead.wait()


def test_cluster_of_another_version_is_refused_by_name(fresh_var: Path) -> None:
    (fresh_var / "postgres").mkdir(parents=True)
    (fresh_var / "postgres" / "PG_VERSION").write_text("17\n")
    with (
        using(fresh_var) as servers,
        pytest.raises(ServerError, match="was created by PostgreSQL 17, but the installed wheel"),
    ):
        servers.ensure(postgres=True, valkey=False)


def test_lost_password_is_named(var: Path) -> None:
    with using(var) as servers:
        servers.ensure(postgres=True, valkey=False)
    path = var / "secrets" / "servers.password"
    right = path.read_text()
    path.write_text("another")
    try:
        with using(var) as servers, pytest.raises(ServerError, match=r"servers\.password is not the password"):
            servers.ensure(postgres=True, valkey=False)
    finally:
        path.write_text(right)


def test_full_disk_is_named_before_anything_is_made(fresh_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr("config.embedded.server_process.shutil.disk_usage", lambda path: usage(10**9, 10**9, 5_000_000))
    with using(fresh_var) as servers, pytest.raises(ServerError, match=r"has 5 MB free.*PERENNIAL_VAR"):
        servers.ensure(postgres=True, valkey=False)
    assert not (fresh_var / "postgres.new").exists()


def as_ordinary_user(folder: Path) -> dict[str, Any]:
    """What makes Popen run as an ordinary user who owns the folder."""
    if os.geteuid() != 0:
        return {}
    postgres.make_parents_traversable(folder)
    postgres.make_parents_traversable(PROJECT / "config")
    os.chown(folder, NOBODY, NOBODY)
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run([sys.executable, "-c", "import config.embedded.servers"], cwd=PROJECT, check=True, **who)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the ordinary user cannot run {sys.executable}: {error}")
    return who


def test_ordinary_user_can_run_the_servers(folder: Path) -> None:
    user = start_user(folder / "var", **as_ordinary_user(folder))
    url, _, server_pids = what_it_uses(user)
    assert query(url, "SELECT 1") == [(1,)]
    user.communicate()
    assert not any(is_alive(pid) for pid in server_pids)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a folder the ordinary user may not write")
def test_folder_without_permission_is_named(folder: Path) -> None:
    who = as_ordinary_user(folder)
    os.chown(folder, 0, 0)
    user = start_user(folder / "var", **who)
    _, message = user.communicate()
    assert user.returncode == 1
    assert f"{folder / 'var'}: Permission denied" in message
    assert "PERENNIAL_VAR" in message


@pytest.mark.parametrize(
    ("variable", "url", "message"),
    [
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/shop", "DATABASE_URL: the server at 127.0.0.1:1 cannot"),
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:99999/shop", "DATABASE_URL: the server at 127.0.0.1:99999"),
        ("DATABASE_URL", "mysql://me:secret@127.0.0.1/shop", "DATABASE_URL should look like postgresql://"),
        ("VALKEY_URL", "redis://:secret@127.0.0.1:1/0", "VALKEY_URL: the server at 127.0.0.1:1 cannot"),
        ("VALKEY_URL", "127.0.0.1:6379", "VALKEY_URL should look like redis://"),
    ],
)
def test_wrong_address_is_named_in_one_line_without_its_password(variable: str, url: str, message: str) -> None:
    with pytest.raises(ServerError) as caught:
        check_address(variable, url)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
