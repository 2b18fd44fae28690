"""Every rejection code has a translated text."""

import re
from pathlib import Path

import pytest
from django.utils import translation

from customers.events.collector import event_store, fields, items, parsing
from customers.events.dead_letters.rejection_reasons import INVALID_PREFIX, REASONS, describe_reason
from customers.orders.order_events import event_parsing

CODE_PATTERN = re.compile(r"(?:ItemError|OrderEventError)\(\s*(?:[a-z_.]+, [a-z_.()]+, )?\"(?P<code>[a-zA-Z_]+)\"")


def find_codes(module: object) -> set[str]:
    return {match["code"] for match in CODE_PATTERN.finditer(Path(module.__file__).read_text())}  # type: ignore[attr-defined]


@pytest.mark.parametrize("modules", [(items, fields, parsing), (event_parsing,)])
def test_every_code_has_a_description(modules: tuple[object, ...]) -> None:
    codes = {code for module in modules for code in find_codes(module)}
    assert len(codes) > 5
    assert {code for code in codes if code not in REASONS and not code.startswith(INVALID_PREFIX)} == set()


def test_code_of_values_that_cannot_be_stored_is_described() -> None:
    assert '"cannot_store"' in Path(event_store.__file__).read_text()
    assert "cannot_store" in REASONS


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [
        ("invalid_userId", "The value of “userId” is not valid.", "“userId”的值无效。"),
        ("review_out_of_range", "The review in this event is not valid.", "该事件中的评价无效。"),
        ("quite_new", "quite_new", "quite_new"),
    ],
)
def test_code_families_and_unknown_codes_are_described(code: str, english: str, chinese: str) -> None:
    assert describe_reason(code) == english
    with translation.override("zh-hans"):
        assert describe_reason(code) == chinese
