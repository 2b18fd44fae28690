"""An import, its check and its undo continue after their task was lost with the queue; a second start changes nothing."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from catalog.models import Product
from customers.imports import runs, tasks
from customers.imports.backoffice.starting import start_import, start_undo
from customers.imports.models import ImportRun, ImportState
from tests.customers.imports.wizard_pages import Upload, post
from tests.waiting import hold_lock_elsewhere

pytestmark = pytest.mark.django_db
FILE = "id,title\ntea,Tea\npot,Pot\n"


@pytest.fixture
def queued(boss: Client, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record what waits in the queue."""
    waiting: list[tuple[str, int]] = []
    for task in tasks.RUN_TASKS.values():
        name = task.name.rsplit(".", 1)[1]
        monkeypatch.setattr(task, "delay", lambda pk, language, name=name: waiting.append((name, pk)))
    return waiting


def lose_queue(queued: list[Any], run: ImportRun) -> None:
    """Forget what Valkey knows of the run, as without its data."""
    queued.clear()
    cache.delete(runs.get_queued_key(run.pk))


def test_lost_import_and_undo_continue(upload: Upload, queued: list[tuple[str, int]]) -> None:
    run = upload("products", FILE)
    start_import(run)
    assert tasks.resume_imports() == 0, "its task may still be waiting"
    lose_queue(queued, run)
    assert (tasks.resume_imports(), queued) == (1, [("import_file", run.pk)])
    assert tasks.resume_imports() == 0, "it is queued again"
    tasks.import_file(run.pk)
    tasks.import_file(run.pk)  # a second start
    run.refresh_from_db()
    assert (run.state, run.created, Product.objects.count()) == ("imported", 2, 2)
    start_undo(run)
    lose_queue(queued, run)
    assert (tasks.resume_imports(), queued) == (1, [("undo_import", run.pk)])
    tasks.undo_import(run.pk)
    tasks.undo_import(run.pk)
    run.refresh_from_db()
    assert (run.state, Product.objects.count()) == ("undone", 0)
    lose_queue(queued, run)
    assert (tasks.resume_imports(), queued) == (0, [])


def test_check_that_ended_with_its_web_process_continues(upload: Upload, queued: list[tuple[str, int]]) -> None:
    run = upload("products", FILE)
    assert runs.begin(run, ImportState.CHECKING, allowed=(ImportState.CHECKED,))
    assert (tasks.resume_imports(), queued) == (1, [("check_file", run.pk)])


def test_import_whose_worker_or_connection_was_lost_continues_without_waiting_for_the_end_of_its_time_in_the_queue(
    upload: Upload, queued: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("products", FILE)
    start_import(run)
    with monkeypatch.context() as patched:
        patched.setattr(runs, "build_task", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tasks.import_file(run.pk)
    queued.clear()
    assert (tasks.resume_imports(), queued) == (1, [("import_file", run.pk)])
    tasks.import_file(run.pk)
    run.refresh_from_db()
    assert (run.state, run.created) == ("imported", 2)


def interrupt(*arguments: Any, **options: Any) -> None:
    """End like a killed process: nothing is recorded."""
    raise KeyboardInterrupt


def test_run_that_a_process_works_on_is_left_to_it(upload: Upload, queued: list[tuple[str, int]]) -> None:
    run = upload("products", FILE)
    start_import(run)
    lose_queue(queued, run)
    with hold_lock_elsewhere(runs.name_run_lock(run.pk)):
        assert tasks.resume_imports() == 0
    assert tasks.resume_imports() == 1


def test_interrupted_run_of_a_feed_is_left_to_its_next_fetch(
    boss: Client, upload: Upload, queued: list[tuple[str, int]]
) -> None:
    run = upload("products", FILE)
    ImportRun.objects.update(started_by=None)
    start_import(run)
    lose_queue(queued, run)
    assert (tasks.resume_imports(), queued) == (0, [])
    tasks.import_file(run.pk)
    run.refresh_from_db()
    assert run.state == "failed", "an old file must not be imported after a newer one"
    start_import(run)
    assert tasks.resume_imports() == 0, "a user has started it"
    tasks.import_file(run.pk)
    post(boss, "undo", run)
    lose_queue(queued, run)
    assert (tasks.resume_imports(), queued) == (1, [("undo_import", run.pk)]), "only a user undoes it"
