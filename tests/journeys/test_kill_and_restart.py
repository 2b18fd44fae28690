"""Perennial runs as in production; a process is killed at work, and after a restart no data is lost or duplicated."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from config import settings as project_settings
from config.embedded.server_process import find_free_port
from config.embedded.servers import EmbeddedServers
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

PROJECT = Path(project_settings.__file__).resolve().parents[1]
ORDERS, LINES_PER_ORDER, CUSTOMERS, PRODUCTS = 20_000, 5, 1_500, 400
START = datetime(2026, 1, 1, tzinfo=UTC)


class Operator:
    """Starts and kills Perennial in a separate folder, and queries its database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hidden = {"DATABASE_URL", "VALKEY_URL"}
        self.env = {name: value for name, value in os.environ.items() if name not in hidden}
        self.env |= {"PERENNIAL_VAR": str(folder / "var"), "PYTHONUNBUFFERED": "1"}
        self.servers = EmbeddedServers(folder / "var", report=lambda message: None)
        addresses = self.servers.ensure(postgres=True, valkey=True)
        assert addresses.postgres is not None
        self.database = addresses.postgres
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=PROJECT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        with self.output.open("wb") as file:
            command = [
                sys.executable,
                "manage.py",
                "up",
                "--port",
                str(find_free_port()),
                "--grace",
                "3",
                "--web-workers",
                "1",
            ]
            self.process = subprocess.Popen(command, cwd=PROJECT, env=self.env, stdout=file, stderr=file)
        wait_until(lambda: " ready." in self.read_output(), within=60, what="the worker to be ready")

    def read_output(self) -> str:
        return self.output.read_text()

    def kill(self, name: str) -> None:
        assert self.process is not None
        marks = {"web": "config.web_server", "worker": "worker", "beat": "beat"}
        child = next(
            found
            for found in psutil.Process(self.process.pid).children()
            if marks[name] in found.cmdline() or marks[name] in " ".join(found.cmdline()[:4])
        )
        child.send_signal(signal.SIGKILL)

    def wait_for_exit(self) -> int:
        assert self.process is not None
        return self.process.wait(timeout=60)

    def query_value(self, query: str, *given: Any) -> Any:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(query, given).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def send_task(self, task: str, *given: int) -> None:
        self.manage(
            "shell",
            "-v",
            "0",
            "-c",
            f"from celery import current_app as app; app.send_task({task!r}, args={list(given)})",
        )


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    found = Operator(tmp_path)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.send_signal(signal.SIGINT)
        found.wait_for_exit()
    found.servers.release()


def write_orders(path: Path) -> None:
    """Write orders of regular customers; every line of an order has a different product."""
    rows = ["order_id,customer_id,placed_at,product_id,quantity,unit_price"]
    for order in range(ORDERS):
        placed = START + timedelta(minutes=20 * order)
        for line in range(LINES_PER_ORDER):
            product = (order * 7 + line * 61) % PRODUCTS
            rows.append(
                f"o{order},c{order * 31 % CUSTOMERS},{placed.isoformat()},p{product},{1 + line % 3},{product % 50 + 1}.25"
            )
    path.write_text("\n".join(rows) + "\n")


def compute_expected_revenue() -> float:
    total = 0.0
    for order in range(ORDERS):
        total += sum(
            (1 + line % 3) * ((order * 7 + line * 61) % PRODUCTS % 50 + 1.25) for line in range(LINES_PER_ORDER)
        )
    return round(total, 2)


@pytest.mark.slow
def test_killing_the_worker_web_server_or_beat_neither_loses_nor_duplicates_data(operator: Operator) -> None:
    operator.manage("migrate", "-v", "0")
    write_orders(operator.folder / "orders.csv")
    run = int(
        operator.manage(
            "shell", "-v", "0", "-c",
            "from pathlib import Path; from django.core.files import File; from django.utils import timezone;"
            "from customers.events.models import Source; from customers.orders.imports.uploads import create_confirmed_import, create_dry_run;"
            "from customers.orders.imports.uploads import import_upload;"
            "source = Source.objects.create(key='shop', name='shop', kind='import');"
            f"file = File(Path({str(operator.folder / 'orders.csv')!r}).open('rb'), name='orders.csv'); file.size;"
            "tried = create_dry_run(file=file, source=source, options={'currency': 'EUR'}, at=timezone.now()); import_upload(run=tried);"
            "print(create_confirmed_import(dry_run=tried, at=timezone.now()).pk)",
        ).strip()
    )  # fmt: skip

    # a killed worker: the next start resumes its import
    operator.start()
    operator.send_task("customers.orders.tasks.import_orders_file", run)
    wait_until(lambda: operator.query_value(WORKING, "%orders%") > 0, within=60, what="the import to write")
    operator.kill("worker")
    assert operator.wait_for_exit() == 1
    assert "worker" in operator.read_output()
    assert operator.query_value("SELECT count(*) FROM orders_orderline") in (0, ORDERS * LINES_PER_ORDER)
    operator.start()
    finished = "SELECT finished_at IS NOT NULL AND error = '' FROM orders_orderimport WHERE id = %s"
    wait_until(lambda: operator.query_value(finished, run), within=120, what="the import to end")
    assert operator.query_value("SELECT count(*) FROM orders_order") == ORDERS
    assert operator.query_value("SELECT count(*), sum(total)::float FROM orders_orderline") == (
        ORDERS * LINES_PER_ORDER,
        compute_expected_revenue(),
    )
    assert operator.query_value("SELECT count(*) FROM identity_customer") == CUSTOMERS

    # a killed web server stops everything during a refresh
    operator.send_task("customers.lifecycle.tasks.refresh_profiles")
    wait_until(
        lambda: operator.query_value("SELECT count(*) FROM lifecycle_lifecyclerun") > 0,
        within=60,
        what="the refresh to begin",
    )
    operator.kill("web")
    assert operator.wait_for_exit() == 1
    assert operator.query_value("SELECT count(*) FROM lifecycle_customerprofile") in (0, CUSTOMERS)
    operator.start()
    operator.send_task("customers.lifecycle.tasks.refresh_profiles")
    done = "SELECT count(*) FROM lifecycle_lifecyclerun WHERE status = 'done'"
    wait_until(lambda: operator.query_value(done) > 0, within=120, what="a refresh to end")
    wait_until(lambda: operator.query_value(RUNNING) == 0, within=120, what="every refresh to end")
    assert operator.query_value("SELECT count(*), sum(orders), sum(revenue)::float FROM lifecycle_customerprofile") == (
        CUSTOMERS,
        ORDERS,
        compute_expected_revenue(),
    )
    twice = "SELECT count(*) FROM (SELECT 1 FROM lifecycle_stagetransition GROUP BY customer_id, at, to_stage HAVING count(*) > 1) d"
    assert operator.query_value(twice) == 0
    last = (
        "SELECT count(*) FROM lifecycle_customerprofile p JOIN LATERAL (SELECT to_stage FROM lifecycle_stagetransition t"
        " WHERE t.customer_id = p.customer_id ORDER BY at DESC, id DESC LIMIT 1) t ON true WHERE t.to_stage = p.stage"
    )
    assert operator.query_value(last) == CUSTOMERS

    # a killed beat stops everything during a training
    operator.manage("export_warehouse")
    operator.send_task("recommendations.training.tasks.train_nightly")
    wait_until(
        lambda: operator.query_value("SELECT count(*) FROM training_evaluationrun") > 0,
        within=60,
        what="the training to begin",
    )
    operator.kill("beat")
    assert operator.wait_for_exit() == 1
    assert operator.query_value("SELECT count(*) FROM training_modelversion WHERE status = 'active'") in (0, 1)
    operator.start()
    operator.send_task("recommendations.training.tasks.train_nightly")
    active = "SELECT count(*) FROM training_modelversion WHERE status = 'active'"
    wait_until(lambda: operator.query_value(active) == 1, within=180, what="a model to serve")
    wait_until(lambda: operator.query_value(TRAINING) == 0, within=180, what="every training to end")
    assert operator.query_value(active) == 1
    folders = {path.name for path in (operator.folder / "var" / "models").iterdir()}
    assert operator.query_value("SELECT artifact FROM training_modelversion WHERE status = 'active'") in folders


WORKING = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() AND query ILIKE %s"
RUNNING = "SELECT count(*) FROM lifecycle_lifecyclerun WHERE status = 'running'"
TRAINING = "SELECT count(*) FROM training_evaluationrun WHERE status = 'running'"
