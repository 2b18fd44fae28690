"""The snippets of the documentation and the back office work as they stand, but for host and key."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from customers.events.collector import envelope, parsing
from customers.events.event_taxonomy import NAMES, meaning_of
from customers.events.models import Event, RejectedEvent, Source
from customers.events.sources.snippets import KEY_TO_FILL_IN, snippets
from tests.clients.installing import ROOT, install_node_packages
from tests.clients.sdks import need_chromium
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


def fenced(page: str, key: str) -> list[tuple[str, str]]:
    """Language and text of the blocks in which a key is to be filled in."""
    found = [(block["language"], block["code"]) for block in FENCE.finditer((ROOT / page).read_text())]
    return [(language, code) for language, code in found if key in code]


def code_blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the blocks that send something."""
    return [(language, code) for language, code in fenced(page, KEY_TO_FILL_IN) if "YOUR_API_KEY" not in code]


def documented() -> list[ParameterSet]:
    return [
        pytest.param(language, code, id=f"{page} {number} {language}")
        for page in PAGES
        for number, (language, code) in enumerate(code_blocks(page), start=1)
    ]


def run(command: list[str], *, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_in_shell(code: str) -> None:
    said = run(["bash", "-euo", "pipefail", "-c", code])
    assert not said or json.loads(said)["success"] is True


def run_in_chromium(page: str, *, events: int) -> None:
    need_chromium()
    with visit(page, node_folder=install_node_packages()) as opened:
        opened.wait_for_count(events)
    assert opened.complaints == []


def run_snippet(language: str, code: str) -> None:
    match language:
        case "bash":
            run_in_shell(code)
        case "python":
            run([sys.executable, "-c", code])
        case "js node":
            run(["node", "--input-type=module", "--eval", code], cwd=install_node_packages())
        case "js browser":
            run_in_chromium(MODULE_PAGE % code, events=calls_in(code))
        case "html":
            run_in_chromium(PLAIN_PAGE % code, events=calls_in(code))
        case _:
            raise AssertionError(f"nobody knows how to run {language}")


def calls_in(code: str) -> int:
    return len(re.findall(r'analytics\.(track|page|identify)\(|push\(\["', code))


def the_view_of(source: Source) -> Event:
    assert not RejectedEvent.objects.exists()
    return Event.objects.get(source=source, product_ids=["sku-1"], type="track")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("language", "code"), documented())
def test_documented_snippet_sends_what_it_says(language: str, code: str, server: str) -> None:
    source, key = make_keyed_source()
    run_snippet(language, code.replace(HOST, server).replace(KEY_TO_FILL_IN, key))
    event = the_view_of(source)
    refused = '"analytics": false' in code
    assert (event.user_id + event.anonymous_id == "") is refused


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", RUN_AS)
def test_snippet_of_the_back_office_sends_what_it_says(language: str, server: str) -> None:
    source, key = make_keyed_source()
    [snippet] = [one for one in snippets(host=server, write_key=key) if one.language == language]
    run_snippet(RUN_AS[language], snippet.code)
    assert the_view_of(source).name == "Product Viewed"


def test_both_languages_have_the_same_snippets() -> None:
    for page in PAGES:
        translated = page.removesuffix(".md") + ".zh-hans.md"
        assert code_blocks(page), page
        assert code_blocks(translated) == code_blocks(page)


@pytest.mark.parametrize("page", ["docs/tracking.md", "docs/tracking.zh-hans.md"])
def test_table_of_names_is_the_vocabulary(page: str) -> None:
    text = (ROOT / page).read_text()
    rows = [line.split("|")[2:4] for line in text.splitlines() if line.startswith("|")]
    named = [[name.strip() for cell in row for name in cell.split(",") if meaning_of(name)] for row in rows]
    assert {name for names in named for name in names} == {name for names in NAMES.values() for name in names}
    assert all(len({meaning_of(name) for name in names}) <= 1 for names in named), "one meaning to a row"


@pytest.mark.parametrize("page", ["docs/tracking.md", "docs/tracking.zh-hans.md"])
def test_limits_are_those_of_the_code(page: str) -> None:
    text = (ROOT / page).read_text()
    assert f"{parsing.MOST_EVENT_BYTES // 1024} kB" in text
    assert f"{envelope.MOST_BATCH_BYTES // 1024} kB" in text
    assert f"{envelope.MOST_BATCH_EVENTS:,}" in text
    for limit in (parsing.MOST_MESSAGE_ID + 1, parsing.MOST_ID, parsing.MOST_NAME, parsing.MOST_DEPTH):
        assert str(limit) in text
