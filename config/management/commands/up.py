"""``manage.py up``: runs Perennial in one terminal: web, worker, beat, and the embedded servers it started."""

import errno
import http.client
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from config.celery import return_interrupted_tasks
from config.embedded.server_process import find_port_error
from config.embedded.servers import list_ended_servers, list_server_logs
from config.supervisor.processes import Program, Supervisor

DEFAULT_PORT = 8000
MAX_PORTS_TRIED = 100
WEB_THREADS = 16  # events of calls that wait at the same moment are stored together
BACKGROUND_NICENESS = 10  # somebody waits for a page, but not for a nightly training


class Command(BaseCommand):
    help = "Run web server, Celery worker and Celery beat in this terminal until Ctrl-C, or until one of them ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all addresses")
        parser.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or the next free one")
        parser.add_argument("--web-workers", type=int, default=2, help="number of web processes")
        parser.add_argument("--worker-concurrency", type=int, default=2, help="number of concurrent tasks")
        parser.add_argument("--no-web", action="store_true", help="run without the web server")
        parser.add_argument("--no-worker", action="store_true", help="run without the Celery worker")
        parser.add_argument("--no-beat", action="store_true", help="run without the Celery beat")
        parser.add_argument("--migrate", action="store_true", help="apply pending migrations first")
        parser.add_argument(
            "--grace", type=float, default=10.0, help="seconds to wait for programs to stop after Ctrl-C"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check_migrations(migrate=options["migrate"])
        port = choose_port(options["host"], options["port"], report=self.stderr.write) if not options["no_web"] else 0
        programs = build_programs(options, port)
        if not programs:
            raise CommandError("Nothing to run. Remove one of --no-web, --no-worker, --no-beat.")
        if "valkey" in list_server_logs() and not options["no_worker"] and (tasks := return_interrupted_tasks()):
            self.stderr.write(f"Interrupted tasks that will run again: {tasks}")
        supervisor = Supervisor(
            programs,
            grace=options["grace"],
            logs=list_server_logs(),
            list_ended_servers=list_ended_servers,
            each_tick=WelcomeMessage(options["host"], port) if port else lambda supervisor: None,
            cwd=settings.BASE_DIR,
        )
        status = supervisor.run()
        if status:
            sys.exit(status)


class WelcomeMessage:
    """Prints the URLs once, when the web server answers."""

    def __init__(self, host: str, port: int) -> None:
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — compared, not bound
        self.port = port
        self.is_done = False
        self.next_warning = time.monotonic() + 60

    def __call__(self, supervisor: Supervisor) -> None:
        if self.is_done:
            return
        place = f"[{self.host}]" if ":" in self.host else self.host
        if self._is_answering():
            self.is_done = True
            supervisor.report(f"Perennial is running at http://{place}:{self.port}/")
            supervisor.report(f"The back office is at http://{place}:{self.port}{reverse('admin:index')}")
            if settings.DEMO:
                supervisor.report(f"The demo shop is at http://{place}:{self.port}{reverse('shop:home')}")
            supervisor.report("Press Ctrl-C to stop.")
        elif time.monotonic() > self.next_warning:
            self.next_warning += 60
            supervisor.report(f"http://{place}:{self.port}/health/live does not answer yet. Waiting.")

    def _is_answering(self) -> bool:
        client = http.client.HTTPConnection(self.host, self.port, timeout=1)
        try:
            client.request("GET", "/health/live")
            return client.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            client.close()


def check_migrations(*, migrate: bool) -> None:
    """Apply or check migrations; close all connections, because the programs are forked from this process."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending and migrate:
        call_command("migrate", interactive=False)
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own
    if pending and not migrate:
        raise CommandError(
            f"{len(pending)} migrations are pending: run `python manage.py migrate`, or `python manage.py up --migrate`."
        )


def choose_port(host: str, wanted: int | None, *, report: Any) -> int:
    """Return the requested port, or the first free one from the default on. Errors: CommandError if it is not available."""
    problem = find_port_error(host, wanted or DEFAULT_PORT)
    if problem is None:
        return wanted or DEFAULT_PORT
    if wanted is None and problem.errno == errno.EADDRINUSE:
        for port in range(DEFAULT_PORT + 1, DEFAULT_PORT + MAX_PORTS_TRIED):
            if find_port_error(host, port) is None:
                report(f"Port {DEFAULT_PORT} is in use: the web server uses {port}. To choose a port, use --port.")
                return port
    advice = "Choose another with --port." if problem.errno != errno.EADDRNOTAVAIL else "Choose another with --host."
    raise CommandError(f"Cannot listen on {host}, port {wanted or DEFAULT_PORT}: {problem.strerror}. {advice}")


def build_programs(options: dict[str, Any], port: int) -> list[Program]:
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "--app", "config"]
    programs = []
    if not options["no_web"]:
        web = [python, "-m", "config.web_server", "--host", options["host"], "--port", str(port)]
        web += ["--workers", str(options["web_workers"]), "--threads", str(WEB_THREADS)]
        web += ["--connections-per-address", str(settings.WEB_CONNECTIONS_PER_ADDRESS)]
        web += ["--bodies-per-address", str(settings.WEB_BODIES_PER_ADDRESS), "config.wsgi:application"]
        programs.append(Program("web", web))
    if not options["no_worker"]:
        worker = [*celery, "worker", "--concurrency", str(options["worker_concurrency"]), "--loglevel", "INFO"]
        programs.append(Program("worker", [*worker, "--without-gossip", "--without-mingle"], BACKGROUND_NICENESS))
    if not options["no_beat"]:
        programs.append(Program("beat", [*celery, "beat", "--pidfile=", "--loglevel", "INFO"], BACKGROUND_NICENESS))
    return programs
