"""Runs the whole of Perennial in one terminal: web, worker, beat, and the embedded servers it started."""

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
from config.embedded.server_process import port_problem
from config.embedded.servers import ended_servers, server_logs
from config.supervisor.processes import Program, Supervisor

DEFAULT_PORT = 8000
PORTS_TRIED = 100
WEB_THREADS = 16  # events of many calls that wait at the same moment are stored together
BACKGROUND = 10  # niceness: a page is waited for, a nightly training is not


class Command(BaseCommand):
    help = "Runs web, Celery worker and Celery beat in this terminal until Ctrl-C, or until one of them ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
        parser.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or the next free one")
        parser.add_argument("--web-workers", type=int, default=2, help="processes that answer requests")
        parser.add_argument("--worker-concurrency", type=int, default=2, help="tasks done at the same time")
        parser.add_argument("--no-web", action="store_true", help="run without the web server")
        parser.add_argument("--no-worker", action="store_true", help="run without the Celery worker")
        parser.add_argument("--no-beat", action="store_true", help="run without the Celery beat")
        parser.add_argument("--migrate", action="store_true", help="apply pending migrations first")
        parser.add_argument("--grace", type=float, default=10.0, help="seconds everything has to end in after Ctrl-C")

    def handle(self, *args: Any, **options: Any) -> None:
        bring_schema_up_to_date(migrate=options["migrate"])
        port = choose_port(options["host"], options["port"], say=self.stderr.write) if not options["no_web"] else 0
        programs = chosen_programs(options, port)
        if not programs:
            raise CommandError("Nothing is left to run: drop one of --no-web, --no-worker, --no-beat.")
        if "valkey" in server_logs() and not options["no_worker"] and (tasks := return_interrupted_tasks()):
            self.stderr.write(f"Tasks that were interrupted and will run again: {tasks}")
        supervisor = Supervisor(
            programs,
            grace=options["grace"],
            logs=server_logs(),
            ended_elsewhere=ended_servers,
            each_tick=Welcome(options["host"], port) if port else lambda supervisor: None,
            cwd=settings.BASE_DIR,
        )
        status = supervisor.run()
        if status:
            sys.exit(status)


class Welcome:
    """Prints the addresses once, when the web server answers."""

    def __init__(self, host: str, port: int) -> None:
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — compared, not bound
        self.port = port
        self.done = False
        self.next_warning = time.monotonic() + 60

    def __call__(self, supervisor: Supervisor) -> None:
        if self.done:
            return
        place = f"[{self.host}]" if ":" in self.host else self.host
        if self._answers():
            self.done = True
            supervisor.say(f"Perennial runs at http://{place}:{self.port}/")
            supervisor.say(f"The back office is at http://{place}:{self.port}{reverse('admin:index')}")
            if settings.DEMO:
                supervisor.say(f"The demo shop is at http://{place}:{self.port}{reverse('shop:home')}")
            supervisor.say("Ctrl-C ends everything.")
        elif time.monotonic() > self.next_warning:
            self.next_warning += 60
            supervisor.say(f"http://{place}:{self.port}/health/live does not answer yet; still waiting.")

    def _answers(self) -> bool:
        client = http.client.HTTPConnection(self.host, self.port, timeout=1)
        try:
            client.request("GET", "/health/live")
            return client.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            client.close()


def bring_schema_up_to_date(*, migrate: bool) -> None:
    """Leaves no connection behind: the programs to come are forked from here."""
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


def choose_port(host: str, wanted: int | None, *, say: Any) -> int:
    """The wanted port, or the first free one from the default on when none was wanted."""
    problem = port_problem(host, wanted or DEFAULT_PORT)
    if problem is None:
        return wanted or DEFAULT_PORT
    if wanted is None and problem.errno == errno.EADDRINUSE:
        for port in range(DEFAULT_PORT + 1, DEFAULT_PORT + PORTS_TRIED):
            if port_problem(host, port) is None:
                say(f"Port {DEFAULT_PORT} is taken: the web server uses {port}. Choose one yourself with --port.")
                return port
    advice = "Choose another with --port." if problem.errno != errno.EADDRNOTAVAIL else "Choose another with --host."
    raise CommandError(f"Cannot listen on {host}, port {wanted or DEFAULT_PORT}: {problem.strerror}. {advice}")


def chosen_programs(options: dict[str, Any], port: int) -> list[Program]:
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "--app", "config"]
    programs = []
    if not options["no_web"]:
        web = [python, "-m", "granian", "--interface", "wsgi", "--host", options["host"], "--port", str(port)]
        web += ["--workers", str(options["web_workers"]), "--blocking-threads", str(WEB_THREADS), "--no-ws"]
        web += ["--workers-kill-timeout", "5", "config.wsgi:application"]
        programs.append(Program("web", web))
    if not options["no_worker"]:
        worker = [*celery, "worker", "--concurrency", str(options["worker_concurrency"]), "--loglevel", "INFO"]
        programs.append(Program("worker", [*worker, "--without-gossip", "--without-mingle"], BACKGROUND))
    if not options["no_beat"]:
        programs.append(Program("beat", [*celery, "beat", "--pidfile=", "--loglevel", "INFO"], BACKGROUND))
    return programs
