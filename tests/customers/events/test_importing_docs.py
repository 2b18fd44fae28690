"""docs/importing-events.md: its commands import its files and print the documented output, in both languages."""

import io
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command

from customers.events.models import Event

ROOT = Path(__file__).parents[3]
FENCE = re.compile(r"^```(?P<kind>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["docs/importing-events.md", "docs/importing-events.zh-hans.md"]


def find_blocks(page: str) -> list[re.Match[str]]:
    return list(FENCE.finditer((ROOT / page).read_text()))


def collapse_spaces(line: str) -> str:
    return re.sub(r"(?<=\S) {2,}", "  ", line)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.django_db(transaction=True)
def test_every_example_produces_the_documented_output(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    n_commands = 0
    for block in find_blocks(page):
        if block["kind"] == "console":
            command, *expected = block["text"].splitlines()
            out = io.StringIO()
            call_command(*shlex.split(command.removeprefix("$ python manage.py ")), stdout=out, verbosity=0)
            output = out.getvalue().splitlines()[:-1]  # the last line is the speed, which varies
            assert list(map(collapse_spaces, output)) == list(map(collapse_spaces, expected))
            n_commands += 1
        elif block["kind"] == "csv":
            assert Path(block["name"]).read_text(encoding="utf-8-sig") == block["text"]
        else:
            Path(block["name"]).write_text(block["text"])
    assert n_commands == 3
    viewed, searched, added = Event.objects.filter(source__key="proxy-log").order_by("occurred_at")
    assert (viewed.name, viewed.anonymous_id, viewed.properties) == (
        "Product Viewed",
        "v-1",
        {"slug": "blue-kettle", "product_id": 17},
    )
    assert (searched.name, searched.properties) == ("Products Searched", {"query": "green tea"})
    assert searched.anonymous_id.startswith("log-")
    assert (added.name, added.properties) == ("Product Added", {"product_id": "17", "cart_id": "web"})


def test_both_languages_show_the_same_files() -> None:
    files = [
        [
            (block["name"], re.sub(r"\s*#.*", "", block["text"]))
            for block in find_blocks(page)
            if block["name"] and block["kind"] != "csv"
        ]
        for page in PAGES
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 4
