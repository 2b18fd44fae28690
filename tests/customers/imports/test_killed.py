"""An import in batches that is killed and started again has one complete result, which can be undone."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from catalog.models import Product
from customers.imports import runs
from customers.imports.models import ImportState
from tests.customers.imports.wizard_pages import Upload, post
from tests.makers import make_product

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

ROWS = 60
CHILD = """
import sys
import django
django.setup()
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
runs.import_run(run_id=int(sys.argv[1]), at=timezone.now())
"""


def test_killed_import_of_products_is_completed_without_double_counts(
    boss: Client, upload: Upload, settings: object
) -> None:
    make_product("p0", title="Old title")
    run = upload("products", "id,title,price\n" + "".join(f"p{n},Product {n},{n}.50\n" for n in range(ROWS)))
    assert (run.created, run.updated) == (ROWS - 1, 1)
    assert runs.begin(run, ImportState.IMPORTING, allowed=(ImportState.CHECKED,))
    name = django_settings.DATABASES["default"]["NAME"]
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    environment = {"DATABASE_URL": url, "PERENNIAL_VAR": str(django_settings.VAR_DIR)}
    environment["EXPORTS_DIR"] = str(django_settings.EXPORTS_DIR)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(run.pk)],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    child.kill()
    child.wait()
    child.stdout.close()
    assert child.stdin is not None
    child.stdin.close()
    assert 0 < Product.objects.count() < ROWS
    again = runs.import_run(run_id=run.pk, at=timezone.now())
    assert (again.state, again.created, again.updated, again.unchanged) == ("imported", ROWS - 1, 1, 0)
    assert Product.objects.count() == ROWS
    assert post(boss, "undo", again).state == "undone"
    assert list(Product.objects.values_list("product_id", "title")) == [("p0", "Old title")]
