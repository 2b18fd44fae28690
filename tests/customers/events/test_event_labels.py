"""Names of events in the reader's language."""

import pytest
from django.utils import translation

from customers.events.event_labels import LABELS_BY_MEANING, get_event_label
from customers.events.event_taxonomy import Meaning


@pytest.mark.parametrize(
    ("name", "type", "label"),
    [
        ("Product Viewed", "track", "浏览商品"),
        ("add_to_cart", "track", "加入购物车"),
        ("Checkout Step Completed", "track", "完成结算步骤"),
        ("Newsletter Opened Twice", "track", "Newsletter Opened Twice"),
        ("", "identify", "识别身份"),
        ("Home", "page", "浏览页面：Home"),
    ],
)
def test_known_events_have_chinese_names_and_others_keep_theirs(name: str, type: str, label: str) -> None:
    with translation.override("zh-hans"):
        assert get_event_label(name, type) == label


def test_every_meaning_has_a_name() -> None:
    assert set(LABELS_BY_MEANING) == set(Meaning)
