"""What shows that products have changed, also when a change is committed late."""

from datetime import timedelta

import pytest

from catalog.fingerprint import read_catalog_fingerprint, summarize_changes
from catalog.models import Product
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db


def test_a_second_change_before_the_newest_one_alters_the_summary() -> None:
    make_product("tea")
    make_product("pot")
    Product.objects.filter(product_id="tea").update(updated_at=NOON)
    Product.objects.filter(product_id="pot").update(updated_at=NOON + timedelta(seconds=20))
    before, fingerprint = summarize_changes(NOON - timedelta(seconds=40)), read_catalog_fingerprint()
    assert before[:2] == (2, NOON + timedelta(seconds=20))
    Product.objects.filter(product_id="tea").update(updated_at=NOON + timedelta(seconds=10))
    after = summarize_changes(NOON - timedelta(seconds=40))
    assert after[:2] == before[:2]
    assert after != before
    assert read_catalog_fingerprint() != fingerprint
    assert summarize_changes(NOON + timedelta(hours=1)) == (0, None, None)
