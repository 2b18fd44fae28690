"""An import in batches that is killed and started again has one complete result, which can be undone."""

import json

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from catalog.models import Product
from customers.events.imports import file_import
from customers.events.models import Event, EventReceipt
from customers.imports import runs
from customers.imports.models import ImportState
from tests.child_processes import kill_after_output, start_child
from tests.customers.events.client import track
from tests.customers.imports.wizard_pages import Upload, post
from tests.makers import make_product

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

ROWS = 60
IMPORTING = """
import sys
from django.utils import timezone
from catalog.feeds import product_import
from customers.imports import runs
product_import.BATCH = 10

class Progress(runs.CancellableProgress):
    def __call__(self, done, total):
        if done >= 30:
            print("there", flush=True)
            sys.stdin.read()  # until the process is killed

runs.CancellableProgress = Progress
runs.import_run(run_id={run}, at=timezone.now())
"""


def test_killed_import_of_products_is_completed_without_double_counts(
    boss: Client, upload: Upload, settings: object
) -> None:
    make_product("p0", title="Old title")
    run = upload("products", "id,title,price\n" + "".join(f"p{n},Product {n},{n}.50\n" for n in range(ROWS)))
    assert (run.created, run.updated) == (ROWS - 1, 1)
    assert runs.begin(run, ImportState.IMPORTING, allowed=(ImportState.CHECKED,))
    folders = {"PERENNIAL_VAR": str(django_settings.VAR_DIR), "EXPORTS_DIR": str(django_settings.EXPORTS_DIR)}
    kill_after_output(start_child(IMPORTING.format(run=run.pk), **folders), "there")
    assert 0 < Product.objects.count() < ROWS
    again = runs.import_run(run_id=run.pk, at=timezone.now())
    assert (again.state, again.created, again.updated, again.unchanged) == ("imported", ROWS - 1, 1, 0)
    assert Product.objects.count() == ROWS
    assert post(boss, "undo", again).state == "undone"
    assert list(Product.objects.values_list("product_id", "title")) == [("p0", "Old title")]


UNDOING = """
import sys
from django.utils import timezone
from customers.imports import event_undo, runs

remove, calls = event_undo.remove_order_events, []

def remove_and_wait(**arguments):
    calls.append(arguments)
    if len(calls) == 3:  # in the middle of a transaction
        print("there", flush=True)
        sys.stdin.read()  # until the process is killed
    return remove(**arguments)

event_undo.remove_order_events = remove_and_wait
runs.undo_run(run_id={run}, at=timezone.now())
"""


def test_killed_undo_of_events_is_completed(boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_import, "BATCH_ITEMS", 10)
    run = post(boss, "start", upload("events", write_events(ROWS), name="events.jsonl"))
    assert runs.begin(run, ImportState.UNDOING, allowed=(ImportState.IMPORTED,))
    kill_after_output(start_child(UNDOING.format(run=run.pk)), "there")
    assert Event.objects.count() == ROWS - 20
    runs.undo_run(run_id=run.pk, at=timezone.now())
    run.refresh_from_db()
    assert (run.state, Event.objects.count(), EventReceipt.objects.count()) == ("undone", 0, 0)


def write_events(count: int) -> str:
    return "".join(json.dumps(track(messageId=f"m{number}")) + "\n" for number in range(count))
