"""``manage.py up``: runs Perennial in one terminal: web, worker, beat, and the embedded servers it started."""

import errno
import http.client
import os
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from config.backup.restore_mark import get_restore_mark
from config.celery import return_interrupted_tasks
from config.embedded.server_process import find_port_error
from config.embedded.servers import list_ended_servers, list_server_logs, restart_servers
from config.embedded.valkey_memory import find_memory_problem
from config.foundation.files.private_files import make_tree_private
from config.http.static_files import collect_static_files
from config.migration_checks.applying import LockedTableError, apply_with_retries
from config.migration_checks.newer_versions import list_newer_migrations
from config.monitoring.metrics.exposition import FOLDER_VARIABLE, remove_files_of_dead_processes
from config.supervisor.processes import Program, Supervisor
from config.supervisor.reload import EnvironmentFileError, read_environment_file
from config.supervisor.worker_lock import WorkersRunningError, lock_workers
from config.web_server.shared_sockets import open_sockets

DEFAULT_PORT = 8000
WEB = "web"  # the name of the program for which the others wait
MAX_PORTS_TRIED = 100
MAX_NAMED = 5
WEB_THREADS = 16  # events of calls that wait at the same moment are stored together
# The statement timeout is about as long as someone waits for a page; imports and trainings run in the worker, without a limit.
WEB_ENVIRONMENT = {
    "DATABASE_STATEMENT_TIMEOUT": os.environ.get("DATABASE_STATEMENT_TIMEOUT", "15"),
    # glibc keeps freed memory in arenas, by default 8 per processor: some hundred large bodies, spread over all threads, would make
    # a worker larger for good.
    "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
}
BACKGROUND_NICENESS = 10  # page requests take precedence over background work such as training
FREQUENT_NICENESS = 5  # and so do messages, which are late otherwise
FREQUENT_CONCURRENCY = 2  # sending a large campaign keeps one of them busy, flows and events get the other


class Command(BaseCommand):
    help = "Run web server, Celery worker and Celery beat in this terminal until Ctrl-C; one that exits is restarted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all addresses")
        parser.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or the next free one")
        parser.add_argument("--web-workers", type=int, default=2, help="number of web processes")
        parser.add_argument("--worker-concurrency", type=int, default=2, help="number of concurrent long tasks")
        parser.add_argument("--no-web", action="store_true", help="run without the web server")
        parser.add_argument("--no-worker", action="store_true", help="run without the Celery workers")
        parser.add_argument("--no-beat", action="store_true", help="run without the Celery beat")
        parser.add_argument("--migrate", action="store_true", help="apply pending migrations first")
        parser.add_argument(
            "--env-file",
            type=Path,
            help="file with variables for the programs, one NAME=VALUE per line, read at the start and at each reload",
        )
        parser.add_argument(
            "--prepare-only",
            action="store_true",
            help="check migrations and collect static files, then exit; the first step of a reload",
        )
        parser.add_argument(
            "--grace", type=float, default=10.0, help="seconds to wait for programs to stop after Ctrl-C"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        make_tree_private(settings.VAR_DIR)
        if get_restore_mark().exists():
            raise CommandError(
                "A restore was interrupted. Run `manage.py restore FOLDER --force` again before you start."
            )
        warn_of_newer_migrations(report=self.stderr.write)
        check_migrations(migrate=options["migrate"], report=self.stderr.write)
        if problem := find_memory_problem(settings.VALKEY_URL):
            self.stderr.write(f"Warning: {problem}")
        if not options["no_web"]:
            collect_files(report=self.stderr.write)
        if options["prepare_only"]:
            return
        locks = [self.claim_tasks()] if "valkey" in list_server_logs() and not options["no_worker"] else []
        port = choose_port(options["host"], options["port"], report=self.stderr.write) if not options["no_web"] else 0
        listeners = open_listeners(options, port)
        programs = build_programs(options, port, [listener.fileno() for listener in listeners])
        if not programs:
            raise CommandError("Nothing to run. Remove one of --no-web, --no-worker, --no-beat.")
        if port and not os.environ.get("PUBLIC_URL"):
            address = {"PUBLIC_URL": f"http://{format_local_host(options['host'])}:{port}"}
            programs = [replace(program, environment={**address, **program.environment}) for program in programs]
        try:
            read_environment(options["env_file"])
        except EnvironmentFileError as error:
            raise CommandError(str(error)) from error
        programs = [share_metrics(program) for program in programs]
        supervisor = Supervisor(
            programs,
            grace=options["grace"],
            logs=list_server_logs(),
            list_ended_servers=list_ended_servers,
            restart_servers=restart_servers,
            each_tick=WelcomeMessage(options["host"], port) if port else lambda supervisor: None,
            cwd=settings.BASE_DIR,
            preparation=Program("prepare", build_preparation(options)),
            read_environment=partial(read_environment, options["env_file"]),
            guarded=locks,
        )
        status = supervisor.run()
        for listener in listeners:
            listener.close()
        for lock in locks:
            os.close(lock)
        if status:
            sys.exit(status)

    def claim_tasks(self) -> int:
        """Let no other `up` run the workers of this folder, and put the tasks back that the last one did not finish.

        Return the lock, which the caller holds as long as workers run. Raises CommandError.
        """
        try:
            lock = lock_workers(settings.VAR_DIR)
        except WorkersRunningError as error:
            raise CommandError(str(error)) from error
        if tasks := return_interrupted_tasks((settings.LONG_QUEUE, settings.FREQUENT_QUEUE)):
            self.stderr.write(f"Interrupted tasks that will run again: {tasks}")
        return lock


def share_metrics(program: Program) -> Program:
    """Return the program with its counters in files in a shared folder, so that any program can add up all counters for Prometheus."""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or settings.VAR_DIR / "run" / "metrics")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_files_of_dead_processes(folder)
    return replace(program, environment={**program.environment, FOLDER_VARIABLE: str(folder)})


class WelcomeMessage:
    """Prints the URLs once, when the web server responds and is ready."""

    def __init__(self, host: str, port: int) -> None:
        self.host = get_local_host(host)
        self.port = port
        self.is_done = False
        self.next_warning = time.monotonic() + 60

    def __call__(self, supervisor: Supervisor) -> None:
        if self.is_done:
            return
        url_host = format_local_host(self.host)
        if supervisor.is_ready(WEB) and self._is_answering():
            self.is_done = True
            supervisor.report(f"Perennial is running at http://{url_host}:{self.port}/")
            supervisor.report(f"The back office is at http://{url_host}:{self.port}{reverse('admin:index')}")
            if settings.DEMO:
                supervisor.report(f"The demo shop is at http://{url_host}:{self.port}{reverse('shop:home')}")
            supervisor.report("Press Ctrl-C to stop.")
        elif time.monotonic() > self.next_warning:
            self.next_warning += 60
            supervisor.report(f"http://{url_host}:{self.port}/ is not ready yet. Waiting.")

    def _is_answering(self) -> bool:
        client = http.client.HTTPConnection(
            self.host, self.port, timeout=0.3
        )  # the socket is open before the server is
        try:
            client.request("GET", "/health/live")
            return client.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            client.close()


def get_local_host(host: str) -> str:
    """Return the address by which this machine reaches a server that listens on the host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — compared, not bound


def format_local_host(host: str) -> str:
    """Return the address of `get_local_host` as it is written in a URL."""
    local = get_local_host(host)
    return f"[{local}]" if ":" in local else local


def warn_of_newer_migrations(*, report: Callable[[str], object]) -> None:
    """Report that a newer version has migrated the database. During an upgrade, this version has to run on its schema, so it may start."""
    if newer := list_newer_migrations():
        report(
            f"Warning: a newer version of Perennial has migrated this database: it has {', '.join(newer[:MAX_NAMED])}. "
            "Install that version, or restore the backup from before the upgrade."
        )


def check_migrations(*, migrate: bool, report: Callable[[str], object] = lambda text: None) -> None:
    """Apply or check migrations; close all connections, because the programs are forked from this process."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending and migrate:
        try:
            apply_with_retries(lambda: call_command("migrate", interactive=False), report=report)
        except LockedTableError as error:
            raise CommandError(str(error)) from error
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own
    if pending and not migrate:
        raise CommandError(
            f"{len(pending)} migrations are pending: run `python manage.py migrate`, or `python manage.py up --migrate`."
        )


def collect_files(*, report: Any) -> None:
    """Collect and compress the static files if they have changed. Raises CommandError if STATIC_ROOT cannot be written."""
    started = time.monotonic()
    try:
        if collect_static_files(settings.STATIC_ROOT):
            report(f"Static files compressed: {time.monotonic() - started:.1f} s")
    except OSError as error:
        raise CommandError(f"Static files cannot be collected: {error}. Make STATIC_ROOT a writable folder.") from error


def choose_port(host: str, requested_port: int | None, *, report: Any) -> int:
    """Return the requested port, or the first free one from the default on. Raises CommandError if it is not available."""
    problem = find_port_error(host, requested_port or DEFAULT_PORT)
    if problem is None:
        return requested_port or DEFAULT_PORT
    if requested_port is None and problem.errno == errno.EADDRINUSE:
        for port in range(DEFAULT_PORT + 1, DEFAULT_PORT + MAX_PORTS_TRIED):
            if find_port_error(host, port) is None:
                report(f"Port {DEFAULT_PORT} is in use: the web server uses {port}. To choose a port, use --port.")
                return port
    advice = "Choose another with --port." if problem.errno != errno.EADDRNOTAVAIL else "Choose another with --host."
    raise CommandError(f"Cannot listen on {host}, port {requested_port or DEFAULT_PORT}: {problem.strerror}. {advice}")


def open_listeners(options: dict[str, Any], port: int) -> list[socket.socket]:
    """Open the sockets of the web processes here, so that a reload of these loses no connection. Raises CommandError."""
    if options["no_web"]:
        return []
    try:
        return open_sockets(options["host"], port, number=options["web_workers"])
    except OSError as error:
        raise CommandError(f"Cannot listen on {options['host']}, port {port}: {error.strerror}.") from error


def build_preparation(options: dict[str, Any]) -> list[str]:
    """Return the command with which a reload begins; it runs the code that is installed at that time."""
    command = [sys.executable, "manage.py", "up", "--prepare-only"]
    return [*command, *(["--migrate"] if options["migrate"] else []), *(["--no-web"] if options["no_web"] else [])]


def read_environment(path: Path | None) -> dict[str, str]:
    return read_environment_file(path) if path is not None else {}


def build_programs(options: dict[str, Any], port: int, sockets: Sequence[int] = ()) -> list[Program]:
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "--app", "config"]
    programs = []
    if not options["no_web"]:
        web = [python, "-m", "config.web_server", "--host", options["host"], "--port", str(port)]
        web += ["--workers", str(options["web_workers"]), "--threads", str(WEB_THREADS)]
        web += ["--connections-per-address", str(settings.WEB_CONNECTIONS_PER_ADDRESS)]
        web += ["--bodies-per-address", str(settings.WEB_BODIES_PER_ADDRESS)]
        web += ["--sockets", ",".join(map(str, sockets)), "config.wsgi:application"]
        programs.append(
            Program(WEB, web, environment=WEB_ENVIRONMENT, sockets=sockets, ready_processes=options["web_workers"])
        )
    if not options["no_worker"]:
        long, frequent = options["worker_concurrency"], FREQUENT_CONCURRENCY
        programs.append(
            build_worker("worker", celery, settings.LONG_QUEUE, concurrency=long, niceness=BACKGROUND_NICENESS)
        )
        programs.append(
            build_worker("frequent", celery, settings.FREQUENT_QUEUE, concurrency=frequent, niceness=FREQUENT_NICENESS)
        )
    if not options["no_beat"]:
        beat = [*celery, "beat", "--pidfile=", "--loglevel", "INFO"]
        programs.append(Program("beat", beat, BACKGROUND_NICENESS, waits_for=WEB))
    return programs


def build_worker(name: str, celery: list[str], queue: str, *, concurrency: int, niceness: int) -> Program:
    command = [*celery, "worker", "--hostname", f"{name}@%h", "--queues", queue, "--concurrency", str(concurrency)]
    # in Valkey, tasks of a killed worker still belong to it; without this they would wait for an hour
    is_embedded = "valkey" in list_server_logs()
    return Program(
        name,
        [*command, "--loglevel", "INFO", "--without-gossip", "--without-mingle"],
        niceness,
        prepare_restart=partial(return_interrupted_tasks, [queue]) if is_embedded else lambda: None,
        waits_for=WEB,
    )
