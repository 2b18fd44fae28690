"""The snippets of the documentation and the back office work once host and key are filled in."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from config.foundation.json_nesting import MAX_JSON_DEPTH
from customers.events.collector import envelope, fields, items
from customers.events.event_taxonomy import EVENT_NAMES, lookup_meaning
from customers.events.models import Event, RejectedEvent, Source
from customers.events.sources.snippets import KEY_PLACEHOLDER, build_snippets
from tests.clients.sdk_packages import ROOT, install_node_packages
from tests.clients.sdks import require_chromium
from tests.clients.storefront import visit_page
from tests.customers.events.client import make_keyed_source

pytestmark = pytest.mark.acceptance

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


def list_fenced_blocks(page: str, key: str) -> list[tuple[str, str]]:
    """Return language and text of the blocks that contain a key placeholder."""
    blocks = [(block["language"], block["code"]) for block in FENCE.finditer((ROOT / page).read_text())]
    return [(language, code) for language, code in blocks if key in code]


def list_code_blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of the blocks that send events."""
    return [
        (language, code) for language, code in list_fenced_blocks(page, KEY_PLACEHOLDER) if "YOUR_API_KEY" not in code
    ]


def list_documented_snippets() -> list[ParameterSet]:
    return [
        pytest.param(language, code, id=f"{page} {number} {language}")
        for page in PAGES
        for number, (language, code) in enumerate(list_code_blocks(page), start=1)
    ]


def run_command(command: list[str], *, cwd: Path = ROOT) -> str:
    process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert process.returncode == 0, process.stderr
    return process.stdout


def run_in_shell(code: str) -> None:
    output = run_command(["bash", "-euo", "pipefail", "-c", code])
    assert not output or json.loads(output)["success"] is True


def run_in_chromium(page: str, *, events: int) -> None:
    require_chromium()
    with visit_page(page, node_folder=install_node_packages()) as opened:
        opened.wait_for_count(events)
    assert opened.browser_errors == []


def run_snippet(language: str, code: str) -> None:
    match language:
        case "bash":
            run_in_shell(code)
        case "python":
            run_command([sys.executable, "-c", code])
        case "js node":
            run_command(["node", "--input-type=module", "--eval", code], cwd=install_node_packages())
        case "js browser":
            run_in_chromium(MODULE_PAGE % code, events=count_calls(code))
        case "html":
            run_in_chromium(PLAIN_PAGE % code, events=count_calls(code))
        case _:
            raise AssertionError(f"Unknown snippet language {language!r}")


def count_calls(code: str) -> int:
    return len(re.findall(r'analytics\.(track|page|identify)\(|push\(\["', code))


def get_view_event(source: Source) -> Event:
    assert not RejectedEvent.objects.exists()
    return Event.objects.get(source=source, product_ids=["sku-1"], type="track")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("language", "code"), list_documented_snippets())
def test_a_documented_snippet_sends_its_event(language: str, code: str, server: str) -> None:
    source, key = make_keyed_source()
    run_snippet(language, code.replace(HOST, server).replace(KEY_PLACEHOLDER, key))
    event = get_view_event(source)
    is_denied = '"analytics": false' in code
    assert (event.user_id + event.anonymous_id == "") is is_denied


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", RUN_AS)
def test_a_back_office_snippet_sends_its_event(language: str, server: str) -> None:
    source, key = make_keyed_source()
    [snippet] = [
        candidate for candidate in build_snippets(host=server, write_key=key) if candidate.language == language
    ]
    run_snippet(RUN_AS[language], snippet.code)
    assert get_view_event(source).name == "Product Viewed"


def test_the_pages_have_the_same_snippets_in_both_languages() -> None:
    for page in PAGES:
        translated = page.removesuffix(".md") + ".zh-hans.md"
        assert list_code_blocks(page), page
        assert list_code_blocks(translated) == list_code_blocks(page)


@pytest.mark.parametrize("page", ["docs/tracking.md", "docs/tracking.zh-hans.md"])
def test_the_table_of_event_names_matches_the_taxonomy(page: str) -> None:
    text = (ROOT / page).read_text()
    rows = [line.split("|")[2:4] for line in text.splitlines() if line.startswith("|")]
    rows_of_names = [[name.strip() for cell in row for name in cell.split(",") if lookup_meaning(name)] for row in rows]
    assert {name for names in rows_of_names for name in names} == {
        name for names in EVENT_NAMES.values() for name in names
    }
    assert all(len({lookup_meaning(name) for name in names}) <= 1 for names in rows_of_names), (
        "each row has one meaning"
    )


@pytest.mark.parametrize("page", ["docs/tracking.md", "docs/tracking.zh-hans.md"])
def test_the_documented_limits_match_the_code(page: str) -> None:
    text = (ROOT / page).read_text()
    assert f"{items.MAX_EVENT_BYTES // 1024} kB" in text
    assert f"{envelope.MAX_BATCH_BYTES // 1024} kB" in text
    assert f"{envelope.MAX_BATCH_EVENTS:,}" in text
    for limit in (fields.MAX_MESSAGE_ID + 1, fields.MAX_ID, fields.MAX_NAME, MAX_JSON_DEPTH):
        assert str(limit) in text
