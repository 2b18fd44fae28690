"""The propensity panel of the Lifecycle page: scores, models, calibration, lift and rules."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils.translation import override

from customers.lifecycle.backoffice.panels.propensity_panel import build_propensity_panel
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.customers.lifecycle.linked_customers import count_linked_customers
from tests.customers.lifecycle.sample_shop import make_sample_shop, share_rows
from tests.makers import NOON

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/predictions/"


@pytest.fixture(scope="module")
def trained(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The sample shop with trained propensities, refreshed once for all tests here."""
    with share_rows(django_db_blocker):
        make_sample_shop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 20_000)
            refresh_profiles(as_of=NOON, started_at=NOON)
        with django_db_blocker.block():
            yield


def test_every_probability_bar_links_to_its_customers(trained: None, admin_client: Client) -> None:
    targets = {target["key"]: target for target in build_propensity_panel()["targets"]}
    assert list(targets) == ["churn", "purchase_7", "purchase_30", "purchase_90"]
    scored = CustomerProfile.objects.filter(churn__isnull=False).count()
    rows = targets["churn"]["probability_rows"]
    assert sum(row["customers"] for row in rows) == scored > 0
    for row in rows:
        assert count_linked_customers(admin_client, row["url"]) == row["customers"]


def test_brushed_bars_open_the_customers_of_all_of_them(trained: None, admin_client: Client) -> None:
    target = build_propensity_panel()["targets"][0]
    chart, rows = target["probability_chart"], target["probability_rows"]
    brush = chart["brush"]
    for first, last in ((0, len(rows) - 1), (2, 5)):
        query = urlencode(brush["starts"][first] | brush["ends"][last])
        expected = sum(row["customers"] for row in rows[first : last + 1])
        assert count_linked_customers(admin_client, f"{brush['url']}&{query}") == expected
    table = chart["table"]["rows"]
    assert [row[1]["url"] for row in table] == [row["url"] for row in rows]


def test_the_table_of_calibration_has_the_right_columns(trained: None) -> None:
    qualities = [target["quality"] for target in build_propensity_panel()["targets"] if target["quality"]]
    assert qualities
    for quality in qualities:
        assert sum(row["customers"] for row in quality["rows"]) == int(quality["customers"].replace(",", ""))
        for row in quality["rows"]:
            low, high = (int(bound.strip().rstrip("%")) for bound in row["interval"].split("–"))
            assert 0 <= low <= int(row["actual"].rstrip("%")) <= high <= 100, row


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_shows_models_calibration_lift_and_rules(trained: None, admin_client: Client, language: str) -> None:
    with override(language):
        targets = build_propensity_panel()["targets"]
    trained_targets = [target for target in targets if not target["fallback"]]
    assert trained_targets
    for target in trained_targets:
        url, headers = f"{PAGE}?prediction={target['key']}", {"accept-language": language}
        page = admin_client.get(url, headers=headers).content.decode()
        assert sum(row["is_used"] for row in target["candidates"]) == 1
        assert len(target["calibration"]["traces"][1]["x"]) == len(target["quality"]["rows"]) >= 5
        assert len(target["lift"]["traces"][0]["y"]) == 10
        assert target["rules"]
        assert f'id="{target["key"]}-calibration"' in page
        assert str(target["rules"][0]["probability"]) in page
        assert target["verdict"] in unescape(page)
        assert not re.search(r"\bnan\b", page, re.IGNORECASE)
