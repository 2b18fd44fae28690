"""An import that was killed or interrupted and then restarted equals one complete run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from customers.events.imports.file_import import import_events
from customers.events.models import Event, EventReceipt, Outbox
from tests.child_processes import PROJECT, get_test_database_url, kill_after_output, start_child
from tests.customers.events.client import track
from tests.makers import NOON, make_source
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LINES = 3_000
CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from customers.events.imports import file_import
from customers.events.models import Source
file_import.BATCH_ITEMS = 50

def watch(imported, position, size):
    if imported.lines >= {stop_at}:
        print("there", flush=True)
        sys.stdin.read()  # until it is killed

file_import.import_events(path=Path({path!r}), source=Source.objects.get(key="shop"), received_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
                        errors=Path({path!r} + ".csv"), watch=watch)
"""


def write_file(folder: Path) -> Path:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(track(messageId=f"m{n}")) + "\n" for n in range(LINES)))
    return path


@pytest.mark.parametrize("stop_at", [50, 700, LINES])
def test_killed_and_restarted_import_equals_one_complete_run(tmp_path: Path, stop_at: int) -> None:
    source = make_source()
    path = write_file(tmp_path)
    kill_after_output(start_child(CHILD.format(path=str(path), stop_at=stop_at)), "there")
    before = Event.objects.count()
    assert stop_at <= before <= LINES
    assert before % 50 == 0  # a batch is stored completely or not at all
    assert Outbox.objects.count() == EventReceipt.objects.count() == before
    imported = import_events(path=path, source=source, received_at=NOON, errors=tmp_path / "errors.csv")
    assert (imported.lines, imported.accepted, imported.duplicates) == (LINES, LINES - before, before)
    assert Event.objects.count() == Event.objects.values("message_id").distinct().count() == LINES
    assert Outbox.objects.count() == LINES


def test_ctrl_c_shows_a_message_and_keeps_the_stored_events(tmp_path: Path) -> None:
    make_source()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = subprocess.Popen(
        [sys.executable, "manage.py", "import_events", str(pipe), "--source", "shop", "-v", "0"],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": get_test_database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    with pipe.open("wb") as stream:  # held open: the import waits for more
        for number in range(6_000):
            stream.write(json.dumps(track(messageId=f"m{number}")).encode() + b"\n")
        stream.flush()
        wait_until(lambda: Event.objects.count() >= 2_000, what="a first batch")
        child.send_signal(signal.SIGINT)
        _out, problems = child.communicate(timeout=300)
    assert child.returncode == 130
    assert "Interrupted. Events stored so far are kept" in problems
    assert Event.objects.count() in (2_000, 4_000, 6_000)
    assert Outbox.objects.count() == Event.objects.count()
