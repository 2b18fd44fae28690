"""A process of a production setup is killed while it works; after a restart no data is lost or duplicated."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.journeys.operator import Operator
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

ORDERS, LINES_PER_ORDER, CUSTOMERS, PRODUCTS = 8_000, 5, 600, 400
START = datetime(2026, 1, 1, tzinfo=UTC)
UPLOAD = """
from pathlib import Path
from django.contrib.auth.models import User
from django.core.files import File
from django.utils import timezone
from customers.imports import runs
from customers.imports.kinds.orders import ORDERS
user = User.objects.create_user("merchandiser")  # an import without a user is of a feed, which is fetched again instead of resumed
file = File(Path({path!r}).open("rb"), name="orders.csv")
run = runs.create_run(kind=ORDERS, file=file, source="shop", user=user, at=timezone.now())
runs.save_mapping(run, mapping=run.mapping, preset=run.preset, options={{"currency": "EUR"}})
runs.begin(run, "checking", allowed=("uploaded",))
runs.check_run(run_id=run.pk, at=timezone.now())
runs.begin(run, "importing", allowed=("checked",))
print(run.pk)
"""


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.stop()


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
    write_orders(operator.folder / "orders.csv")
    run = int(operator.run_program(UPLOAD.format(path=str(operator.folder / "orders.csv"))))

    # a killed worker is restarted and resumes its import
    operator.start(training_seconds=600)  # a training is killed long before
    with psycopg.connect(operator.database) as blocker:  # the import cannot end before the kill
        blocker.execute("LOCK TABLE orders_orderline IN SHARE MODE")
        operator.send_task("customers.imports.tasks.import_file", run)
        wait_until(lambda: operator.query_value(WAITING_TO_WRITE) > 0, what="the import to write")
        operator.kill("worker")
    operator.wait_for_output("worker exited by SIGKILL: restarting it")
    assert operator.query_value("SELECT count(*) FROM orders_orderline") in (0, ORDERS * LINES_PER_ORDER)
    finished = "SELECT state = 'imported' FROM imports_importrun WHERE id = %s"
    wait_until(lambda: operator.query_value(finished, run), what="the import to end")
    assert operator.query_value("SELECT count(*) FROM orders_order") == ORDERS
    assert operator.query_value("SELECT count(*), sum(total)::float FROM orders_orderline") == (
        ORDERS * LINES_PER_ORDER,
        compute_expected_revenue(),
    )
    assert operator.query_value("SELECT count(*) FROM identity_customer") == CUSTOMERS

    # a web server that is killed during a refresh is restarted, and the refresh goes on
    operator.send_task("customers.lifecycle.tasks.refresh_profiles")
    wait_until(
        lambda: operator.query_value("SELECT count(*) FROM lifecycle_lifecyclerun") > 0,
        what="the refresh to begin",
    )
    operator.kill("web")
    operator.wait_for_output("web exited by SIGKILL: restarting it")
    assert operator.query_value("SELECT count(*) FROM lifecycle_customerprofile") in (0, CUSTOMERS)
    operator.send_task("customers.lifecycle.tasks.refresh_profiles")
    done = "SELECT count(*) FROM lifecycle_lifecyclerun WHERE status = 'done'"
    wait_until(lambda: operator.query_value(done) > 0, what="a refresh to end")
    wait_until(lambda: operator.query_value(RUNNING) == 0, what="every refresh to end")
    assert operator.query_value("SELECT count(*), sum(orders), sum(revenue)::float FROM lifecycle_customerprofile") == (
        CUSTOMERS,
        ORDERS,
        compute_expected_revenue(),
    )
    duplicates = "SELECT count(*) FROM (SELECT 1 FROM lifecycle_stagetransition GROUP BY customer_id, at, to_stage HAVING count(*) > 1) d"
    assert operator.query_value(duplicates) == 0
    last = (
        "SELECT count(*) FROM lifecycle_customerprofile p JOIN LATERAL (SELECT to_stage FROM lifecycle_stagetransition t"
        " WHERE t.customer_id = p.customer_id ORDER BY at DESC, id DESC LIMIT 1) t ON true WHERE t.to_stage = p.stage"
    )
    assert operator.query_value(last) == CUSTOMERS

    # a killed beat is restarted; when all of Perennial is killed during a training, the next start resumes it
    operator.send_task("recommendations.training.tasks.train_nightly")
    wait_until(
        lambda: operator.query_value("SELECT count(*) FROM training_evaluationrun") > 0,
        what="the training to begin",
    )
    operator.kill("beat")
    operator.wait_for_output("beat exited by SIGKILL: restarting it")
    assert operator.query_value(TRAINING) == 1
    operator.kill_everything()
    assert operator.query_value("SELECT count(*) FROM training_modelversion WHERE status = 'active'") in (0, 1)
    operator.start(training_seconds=2)
    operator.send_task("recommendations.training.tasks.train_nightly")
    active = "SELECT count(*) FROM training_modelversion WHERE status = 'active'"
    wait_until(lambda: operator.query_value(active) == 1, what="a model to serve")
    wait_until(lambda: operator.query_value(TRAINING) == 0, what="every training to end")
    assert operator.query_value(active) == 1
    folders = {path.name for path in (operator.folder / "var" / "models").iterdir()}
    assert operator.query_value("SELECT artifact FROM training_modelversion WHERE status = 'active'") in folders


WAITING_TO_WRITE = "SELECT count(*) FROM pg_locks WHERE relation = 'orders_orderline'::regclass AND NOT granted"
RUNNING = "SELECT count(*) FROM lifecycle_lifecyclerun WHERE status = 'running'"
TRAINING = "SELECT count(*) FROM training_evaluationrun WHERE status = 'running'"
