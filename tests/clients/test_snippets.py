"""The snippets of the documentation and the back office work as they stand, but for host and key."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from customers.events import bodies, decoding
from customers.events.models import Event, RejectedEvent
from customers.events.snippets import KEY_TO_FILL_IN, snippets
from customers.events.vocabulary import NAMES, meaning_of
from tests.browser.conftest import CHROMIUM
from tests.clients.installing import ROOT, install_node_packages
from tests.clients.storefront import visit
from tests.customers.events.senders import make_keyed_source

HOST = "https://perennial.example"
PAGES = ["README.md", "docs/tracking.md"]
RUN_AS = {"browser": "js browser", "node": "js node", "python": "python", "curl": "bash"}
FENCE = re.compile(r"^```(?P<language>[a-z]+(?: [a-z]+)?)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE_PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<script src="/analytics-next/index.js"></script>
<script type="importmap">
{"imports": {"@segment/analytics-next": "data:text/javascript,export const { AnalyticsBrowser } = AnalyticsNext"}}
</script>
<script type="module">%s</script>
"""
PLAIN_PAGE = '<!doctype html>\n<link rel="icon" href="data:,">\n%s'


def code_blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the blocks that send something."""
    found = [(block["language"], block["code"]) for block in FENCE.finditer((ROOT / page).read_text())]
    return [(language, code) for language, code in found if KEY_TO_FILL_IN in code]


def documented() -> Iterator[object]:
    for page in PAGES:
        for number, (language, code) in enumerate(code_blocks(page), start=1):
            yield pytest.param(language, code, id=f"{page} {number} {language}")
    for snippet in snippets(host=HOST):
        yield pytest.param(RUN_AS[snippet.language], snippet.code, id=f"back office {snippet.language}")


def run(command: list[str], *, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_in_shell(code: str) -> None:
    said = run(["bash", "-euo", "pipefail", "-c", code])
    assert not said or json.loads(said)["success"] is True


def run_in_chromium(page: str, *, events: int) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with visit(page, node_folder=install_node_packages()) as opened:
        opened.wait_for_count(events)
    assert opened.complaints == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("language", "code"), documented())
def test_snippet_sends_what_it_says(language: str, code: str, server: str) -> None:
    source, key = make_keyed_source()
    code = code.replace(HOST, server).replace(HOST.partition("://")[2], server.partition("://")[2])
    code = code.replace(KEY_TO_FILL_IN, key)
    match language:
        case "bash":
            run_in_shell(code)
        case "python":
            run([sys.executable, "-c", code])
        case "js node":
            run(["node", "--input-type=module", "--eval", code], cwd=install_node_packages())
        case "js browser":
            run_in_chromium(MODULE_PAGE % code, events=code.count("analytics.track(") + code.count("analytics.page("))
        case "html":
            run_in_chromium(PLAIN_PAGE % code, events=3)
        case _:
            raise AssertionError(f"nobody knows how to run {language}")
    assert Event.objects.filter(source=source, product_ids=["sku-1"], type="track").count() == 1
    assert not RejectedEvent.objects.exists()


def test_both_languages_have_the_same_snippets() -> None:
    for page in PAGES:
        translated = page.removesuffix(".md") + ".zh-hans.md"
        assert code_blocks(page), page
        assert code_blocks(translated) == code_blocks(page)


@pytest.mark.parametrize("page", ["docs/tracking.md", "docs/tracking.zh-hans.md"])
def test_table_of_names_is_the_vocabulary(page: str) -> None:
    text = (ROOT / page).read_text()
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    tables = [row for row in rows if len(row) >= 3 and meaning_of(row[1].partition(",")[0]) is not None]
    written = {name for row in tables for cell in row[1:3] for name in cell.split(", ") if meaning_of(name)}
    assert written == {name for names in NAMES.values() for name in names}
    for row in tables:
        names = [name for cell in row[1:3] for name in cell.split(", ") if meaning_of(name)]
        assert len({meaning_of(name) for name in names}) == 1, row


@pytest.mark.parametrize("page", ["docs/tracking.md", "docs/tracking.zh-hans.md"])
def test_limits_are_those_of_the_code(page: str) -> None:
    text = (ROOT / page).read_text()
    assert f"{decoding.MOST_EVENT_BYTES // 1024} kB" in text
    assert f"{bodies.MOST_BATCH_BYTES // 1024} kB" in text
    assert f"{bodies.MOST_BATCH_EVENTS:,}" in text
    for limit in (decoding.MOST_MESSAGE_ID + 1, decoding.MOST_ID, decoding.MOST_NAME, decoding.MOST_DEPTH):
        assert str(limit) in text
