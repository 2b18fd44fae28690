"""Perennial in a folder of its own, as `manage.py up` runs it: started and killed, called by HTTP and Celery, and queried."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from config import settings as project_settings
from config.celery import app
from config.embedded.servers import EmbeddedServers
from tests.child_processes import start_child
from tests.collected_files import collect_uncompressed
from tests.migrated_servers import copy_migrated_servers
from tests.ports import reserve_port
from tests.waiting import wait_until

PROJECT = Path(project_settings.__file__).resolve().parents[1]
# manage.py, whose workers have the priority of the tests: otherwise they get almost no processor time from other tests on the machine.
UP = """
import manage
from config.supervisor import processes
processes.lower_priority = lambda niceness: None
manage.main()
"""
# They start again what found the lock of a killed worker, or failed for another passing reason.
KEPT_TASKS = ["customers.imports.tasks.resume_imports", "customers.erasure.tasks.resume_erasures"]


class Operator:
    """Starts and kills Perennial in a separate folder, and queries its database."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.port = folder, reserve_port()
        hidden = {"DATABASE_URL", "VALKEY_URL"}
        self.env = {name: value for name, value in os.environ.items() if name not in hidden}
        self.env |= {
            "PERENNIAL_VAR": str(folder / "var"),
            "PYTHONUNBUFFERED": "1",
            "PROMOTION_LATENCY_MS": "60000",  # a busy machine would reject the model
            **environment,
        }
        copy_migrated_servers(folder / "var")
        collect_uncompressed(folder / "var" / "static")
        self.servers = EmbeddedServers(folder / "var", report=lambda message: None)
        addresses = self.servers.ensure(postgres=True, valkey=True)
        assert addresses.postgres is not None
        self.database, self.valkey_url = addresses.postgres, addresses.valkey
        self.connection: psycopg.Connection[Any] | None = None
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None
        self.disable_jobs_of_the_clock()

    def disable_jobs_of_the_clock(self) -> None:
        """Leave out the jobs that start at certain times: a test waits for the runs that it starts itself.

        Within some minutes of an hour, and at night, another refresh or training would end first, or drop the start of the test's own.
        """
        with psycopg.connect(self.database) as connection:
            connection.execute(
                "UPDATE django_celery_beat_periodictask SET enabled = false WHERE crontab_id IS NOT NULL AND task <> ALL(%s)",
                [KEPT_TASKS],
            )

    def run_program(self, program: str) -> str:
        """Run a Python program on the shop's database and folder, and return its output."""
        servers = {"DATABASE_URL": self.database, "VALKEY_URL": str(self.valkey_url)}
        child = start_child(program, **servers, PERENNIAL_VAR=self.env["PERENNIAL_VAR"])
        output, problems = child.communicate()
        assert child.returncode == 0, problems
        return output

    def start(self, *, training_seconds: int, wait: bool = True) -> None:
        """Start all programs, and wait until the worker takes tasks."""
        with self.output.open("wb") as file:
            command = [
                sys.executable,
                "-c",
                UP,
                "up",
                "--port",
                str(self.port),
                "--grace",
                "3",
                "--web-workers",
                "1",
            ]
            seconds = str(training_seconds)
            environment = self.env | {"TRAINING_SECONDS": seconds, "FIRST_TRAINING_SECONDS": seconds}
            self.process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=file, stderr=file)
        if wait:
            self.wait_for_output(" ready.")

    def read_output(self) -> str:
        return self.output.read_text()

    def kill(self, name: str) -> None:
        assert self.process is not None
        marks = {"web": "config.web_server", "worker": "worker", "beat": "beat"}
        child = next(
            process
            for process in psutil.Process(self.process.pid).children()
            if marks[name] in process.cmdline() or marks[name] in " ".join(process.cmdline()[:4])
        )
        child.send_signal(signal.SIGKILL)

    def kill_everything(self) -> None:
        """Kill `up` and all its programs, but not the database."""
        assert self.process is not None
        programs = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait(timeout=300)
        for program in programs:
            with suppress(psutil.NoSuchProcess):
                program.kill()
        psutil.wait_procs(programs, timeout=300)

    def wait_for_output(self, text: str) -> None:
        wait_until(lambda: text in self.read_output(), what=f"{text!r} in the output")

    def wait_for_exit(self) -> int:
        assert self.process is not None
        return self.process.wait(timeout=300)

    def query_value(self, query: str, *parameters: Any) -> Any:
        """Return the first row, or its only value; over one connection, because tests wait for values by asking fifty times a second."""
        if self.connection is None:
            self.connection = psycopg.connect(self.database, autocommit=True)
        row = self.connection.execute(query, parameters).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database) as connection:
            connection.execute(statement.encode())

    def send_task(self, task: str, *arguments: int) -> None:
        with app.connection_for_write(self.valkey_url) as broker:
            app.send_task(task, args=list(arguments), connection=broker)

    def stop(self) -> None:
        """End everything, as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.wait_for_exit()
        if self.connection is not None:
            self.connection.close()
        self.servers.release()
