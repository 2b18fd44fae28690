"""``manage.py import_events``: its output and its errors."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers.events.imports.file_import import EventImportResult
from customers.events.imports.import_summary import ImportProgressLine
from customers.events.imports.url_mapping import read_builtin_mapping
from customers.events.models import Event, Source
from tests.customers.events.client import track
from tests.makers import make_source

pytestmark = pytest.mark.django_db(transaction=True)
LOG = '203.0.113.9 - - [24/Nov/2026:10:42:00 +0000] "GET {target} HTTP/1.1" 200 5 "-" "Firefox"\n'


def run_command(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("import_events", *map(str, arguments), stdout=out, verbosity=0)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text(f"{json.dumps(track(messageId='m1'))}\n{json.dumps(track(messageId='m1'))}\nhello\n")
    return path


def test_summary_table_shows_the_result_of_every_line(file: Path, settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    lines = run_command(file, "--source", "old-shop").splitlines()
    assert [line.split() for line in lines[:6]] == [
        ["lines", "3"],
        ["events", "2"],
        ["accepted", "1"],
        ["duplicates", "1"],
        ["rejected", "1"],
        ["invalid_json", "1"],
    ]
    assert lines[6].startswith(f"Rejected lines: {tmp_path / 'exports' / 'imports' / 'events-old-shop-'}")
    assert lines[7].endswith("lines per second.")
    source = Source.objects.get(key="old-shop")
    assert (source.kind, source.is_simulated) == (Source.Kind.IMPORT, False)
    assert Event.objects.get().source == source


def test_dry_run_creates_no_source(file: Path, tmp_path: Path) -> None:
    text = run_command(file, "--source", "old-shop", "--dry-run", "--errors", tmp_path / "errors.csv")
    assert "to be accepted" in text
    assert "This was a dry run: nothing was written." in text
    assert (tmp_path / "errors.csv").read_text(encoding="utf-8-sig").splitlines()[1].startswith("3,invalid_json,")
    assert not Source.objects.filter(key="old-shop").exists()
    assert not Event.objects.exists()


def test_standard_input_is_read(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    run_command("-", "--errors", tmp_path / "errors.csv")
    assert Event.objects.count() == 1


def test_import_of_a_log_lists_unmapped_urls(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("".join(LOG.format(target=target) for target in ("/cart", "/api/cart", "/api/user", "/about")))
    text = run_command(path)
    assert "requests to unmapped URLs" in text
    assert "Most frequent unmapped URLs: /api (2), /about (1). Map them to events with --mapping." in text


def test_custom_mapping_is_used(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text('{"events": [{"path": "/about", "page": "About us"}]}')
    path = tmp_path / "access.log"
    path.write_text(LOG.format(target="/about"))
    run_command(path, "--mapping", mapping)
    assert (Event.objects.get().type, Event.objects.get().name) == ("page", "About us")


def test_built_in_mapping_is_printed() -> None:
    assert run_command("--print-mapping") == read_builtin_mapping()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Specify a file, or - for standard input"),
        ([__file__], "Set --format to jsonl or nginx"),
        (["nowhere.jsonl"], "nowhere.jsonl cannot be opened: No such file or directory"),
        (
            ["{file}", "--source", "My Shop"],
            "Invalid --source 'My Shop'; use lowercase letters, digits and hyphens",
        ),
        (["{file}", "--mapping", "none.toml"], "The mapping file none.toml does not exist"),
        (["{file}", "--source", "closed"], "Source closed is disabled; enable it"),
        (["{file}", "--errors", "/proc/none/errors.csv"], "/proc/none.*Events stored so far are kept"),
    ],
)
def test_invalid_arguments_are_named_in_the_error(file: Path, arguments: list[str], message: str) -> None:
    make_source("closed", enabled=False)
    with pytest.raises(CommandError, match=message):
        run_command(*(argument.replace("{file}", str(file)) for argument in arguments))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_bar_shows_rate_and_remaining_time() -> None:
    stream = Terminal()
    bar = ImportProgressLine("Events", stream)
    bar.show(EventImportResult(lines=5_000), 250, 1_000, 2.0)
    bar.end()
    assert stream.getvalue().strip() == "Events [#####               ]  25 % 5,000 lines, 2,500/s (2 s, 6 s left)"
    stream = Terminal()
    ImportProgressLine("Events", stream).show(EventImportResult(lines=5_000), 250, 0, 2.0)
    assert stream.getvalue().strip() == "Events 5,000 lines, 2,500/s (2 s)"


def test_a_browser_source_is_rejected_because_its_customer_ids_would_be_lost(file: Path) -> None:
    make_source("web", kind="browser")
    with pytest.raises(CommandError, match="Source web is a browser or app source"):
        call_command("import_events", str(file), source="web")
