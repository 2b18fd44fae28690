"""A process that is killed in the middle of an erasure loses nothing and doubles nothing: the next one goes on."""

import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from config.backup.erasure_ledger import get_local_ledger, read_lines
from config.foundation.database.advisory_locks import is_locked
from customers.erasure import runner
from customers.erasure.models import ErasureRun
from customers.erasure.people import describe_person
from customers.erasure.proof.verification import search_everything
from customers.erasure.runner import name_run_lock, resume_erasures
from customers.identity.models import Customer
from customers.orders.models import Order
from tests.child_processes import start_child
from tests.customers.erasure.shop_with_traces import make_ada, make_traces, use_own_folders
from tests.waiting import DEADLINE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.acceptance]
PROGRAM = """
import os, signal
from django.conf import settings
from pathlib import Path
root = Path({root!r})
settings.VAR_DIR, settings.WAREHOUSE_URL = root, str(root / "warehouse")
for name in ("MODELS_DIR", "MERCHANDISING_DIR", "EXPORTS_DIR"):
    setattr(settings, name, root / name.removesuffix("_DIR").lower())
from config.foundation.personal_data.registry import find_store
from customers.erasure import preparation, runner
from customers.warehouse import erasure

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

place = {place!r}
if place == "prepare":
    preparation.block_identifiers = die
elif place == "rename":
    erasure.os.replace = die
elif place == "ledger":
    from config.backup import repeated_erasures
    repeated_erasures.record_erasure = die
elif place == "commit":
    real = runner.ErasureStep.save
    runner.ErasureStep.save = lambda step, *args, **options: (real(step, *args, **options), die() if step.store == "orders.orders" else None)
else:
    find_store(place).erase = die
runner.start_worker = lambda run_id: None
runner.execute_run(runner.erase_customers([{customer}], requested_by="test").pk)
"""


def wait_for_end_of_session() -> None:
    """Wait until PostgreSQL has noticed that the killed process is gone, and has released its lock."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(is_locked(name_run_lock(run_id)) for run_id in ErasureRun.objects.values_list("pk", flat=True)):
        assert time.monotonic() < deadline, "PostgreSQL keeps the lock of a process that is gone"
        time.sleep(0.01)


@pytest.mark.parametrize("place", ["prepare", "commit", "rename", "identity.customers", "ledger"])
def test_a_killed_erasure_is_completed(
    place: str, valkey: redis.Redis, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_own_folders(settings, tmp_path)
    monkeypatch.setattr(runner, "SETTLING", timedelta(0))
    ada = make_ada()
    make_traces(ada, valkey, tmp_path)
    person, orders = describe_person(ada), Order.objects.count()
    program = PROGRAM.format(root=str(tmp_path), place=place, customer=ada.pk)
    child = start_child(program)
    _output, problems = child.communicate()
    assert child.returncode == -signal.SIGKILL, problems
    wait_for_end_of_session()
    assert resume_erasures() == 1
    run = ErasureRun.objects.get()
    assert (run.status, run.error) == ("done", "")
    assert search_everything([person]).findings == []
    assert Order.objects.count() == orders
    assert Customer.objects.filter(erased_at__isnull=False).count() == 1
    assert len(read_lines(get_local_ledger())) == 1
