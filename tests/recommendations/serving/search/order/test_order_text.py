"""The search preview says whether the order of equal matches is learned, and from how many clicks."""

import pytest
from django.utils import translation

from recommendations.serving.backoffice.search.order_text import describe_order
from recommendations.serving.models import SearchOrder
from tests.makers import NOON

pytestmark = pytest.mark.django_db


def test_the_sentence_says_what_is_missing_what_failed_and_what_is_served() -> None:
    assert "so far, 0 people have clicked on 0 pages" in describe_order()
    order = SearchOrder.objects.create(learned_at=NOON, pages=1500, people=300, popularity=1.84, personal=0.7)
    assert "so far, 300 people have clicked on 1,500 pages" in describe_order()
    order.gain, order.gain_low, order.gain_high = 0.012, -0.01, 0.03
    order.save()
    assert "were not reliably better on later pages" in describe_order()
    order.gain, order.gain_low, order.is_served = 0.034, 0.01, True
    order.save()
    assert "popularity counts 1.8 times and personal taste 0.7 times as much as by default" in describe_order()
    assert "3.4 percentage points" in describe_order()
    with translation.override("zh-hans"):
        assert "1.8 倍" in describe_order()
