"""The page and the endpoint about the incremental lift of marketing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import translation
from rest_framework.test import APIClient

from config.access.grants import Grant
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.presentation.sentences import describe_removed
from recommendations.measurement.statistics.moments import GroupMoments, make_moments
from recommendations.sending.backoffice.holdout.texts import describe_cost, describe_effect
from recommendations.sending.global_holdout.measuring import StoredGroup
from recommendations.sending.global_holdout.report import compute_effect
from recommendations.sending.models import GlobalHoldoutChange, GlobalHoldoutResult

PAGE = "/admin/campaigns/marketing-effect/"
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def make_group(buyers: int, idle: int, revenue: float = 50, *, earlier: float = 0) -> GroupMoments:
    """Return the moments of a group of whose buyers half spent 10 less and half 10 more than the mean, half of it margin.

    earlier: what each buyer spent before.
    """
    rows = np.zeros((buyers + idle, len(OutcomeColumn)))
    rows[:buyers, [OutcomeColumn.REACHED, OutcomeColumn.ORDERED, OutcomeColumn.ORDERS]] = 1
    rows[:buyers, OutcomeColumn.REVENUE] = revenue + 10 * (-1.0) ** np.arange(buyers)
    rows[:buyers, OutcomeColumn.EARLIER_REVENUE] = earlier
    rows[:, OutcomeColumn.MARGIN] = rows[:, OutcomeColumn.REVENUE] / 2
    return make_moments(rows)


def make_result(marketing: GroupMoments, holdout: GroupMoments, **fields: Any) -> GlobalHoldoutResult:
    share = fields.pop("share", 0.1)
    values = {
        "month": date(2026, 7, 1),
        "began_at": JULY,
        "since": JULY,
        "until": JULY + timedelta(days=31),
        "measured_at": JULY + timedelta(days=40),
        "currency": "EUR",
        "margin_basis": "costs",
        "groups": {
            "marketing": StoredGroup(marketing, 700, 2_000).to_json(),
            "holdout": StoredGroup(holdout, 3, 3).to_json(),
        },
        "shares": {"marketing": 1 - share, "holdout": share},
        **fields,
    }
    return GlobalHoldoutResult(**values)


def make_clear_result(**fields: Any) -> GlobalHoldoutResult:
    return make_result(make_group(1_800, 7_200), make_group(150, 850), **fields)


def test_the_effect_is_scaled_to_those_with_marketing_and_its_price_to_the_holdout_group() -> None:
    effect = compute_effect(make_clear_result())
    revenue = effect.comparison.revenue
    assert revenue is not None
    # 50 × 20% with marketing, 50 × 15% without
    assert revenue.effect.value == pytest.approx(2.5)
    assert revenue.total.value == pytest.approx(2.5 * 9_000)
    assert effect.cost is not None
    assert effect.cost.value == pytest.approx(2.5 * 1_000)
    # Student: σ²(1/9000 + 1/1000), with σ² of both groups together, of amounts of 40 and 60 for buyers and 0 for the others
    variance = sum(share * (p * 2_600 - (p * 50) ** 2) for p, share in ((0.2, 0.9), (0.15, 0.1)))
    margin = 1.96 * (variance * (1 / 9_000 + 1 / 1_000)) ** 0.5
    assert (revenue.effect.high - revenue.effect.value) == pytest.approx(margin, rel=0.01)
    assert effect.verdict == ComparisonVerdict.INCREASE
    assert "€22,500" in describe_effect(effect)
    assert "1,000 customers" in describe_cost(effect)
    assert "€2,500" in describe_cost(effect)


def test_an_adjusted_effect_says_what_its_relative_change_is_based_on() -> None:
    comparison = compute_effect(
        make_result(make_group(1_800, 7_200, 60, earlier=5), make_group(150, 850, earlier=5))
    ).comparison
    revenue = comparison.revenue
    assert revenue is not None
    assert revenue.relative is not None
    assert revenue.relative.value != pytest.approx(revenue.effect.value / revenue.control, rel=0.1)
    assert "The relative change is based on the adjusted mean of the control group." in describe_removed(comparison)
    assert describe_removed(compute_effect(make_clear_result()).comparison) == ""


def test_a_running_month_and_the_total_have_wider_intervals() -> None:
    final, running, total = (
        compute_effect(make_clear_result(**fields)).comparison.revenue
        for fields in (
            {},
            {"measured_at": JULY + timedelta(days=20)},
            {"month": None, "measured_at": JULY + timedelta(days=31), "until": JULY + timedelta(days=40)},
        )
    )
    assert final is not None
    assert running is not None
    assert total is not None
    widths = [measure.effect.high - measure.effect.low for measure in (final, running, total)]
    assert widths[0] * 1.2 < widths[1] < widths[2]


@pytest.mark.parametrize(
    ("groups", "verdict", "text"),
    [
        ((make_group(90, 810), make_group(9, 91)), ComparisonVerdict.TOO_FEW, "at least 10 customers"),
        ((make_group(90, 810), make_group(12, 88)), ComparisonVerdict.TOO_FEW, "could be detected after about"),
        ((make_group(1_800, 7_200), make_group(150, 1_350)), ComparisonVerdict.UNEVEN_GROUPS, "do not match"),
        ((make_group(1_000, 8_000), make_group(150, 850)), ComparisonVerdict.DECREASE, "has cost €17,500"),
        ((make_group(10, 20), make_group(0, 0)), ComparisonVerdict.NO_HOLDOUT, "No comparison is possible"),
    ],
)
def test_the_headline_says_what_can_be_said(groups: Any, verdict: ComparisonVerdict, text: str) -> None:
    effect = compute_effect(make_result(*groups))
    assert effect.verdict == verdict
    assert text in describe_effect(effect)
    assert effect.is_readable == (verdict == ComparisonVerdict.DECREASE or "about" in text)


def test_values_that_were_not_counted_when_a_result_was_stored_are_zero() -> None:
    result = make_clear_result()
    for group in result.groups.values():
        group["sums"].pop()
        group["products"] = [row[:-1] for row in group["products"][:-1]]
    assert compute_effect(result).comparison == compute_effect(make_clear_result()).comparison


@pytest.mark.django_db
def test_the_page_says_how_to_begin_then_when_it_begins_and_then_the_effect(admin_client: Client) -> None:
    page = admin_client.get(PAGE).content.decode()
    assert "Turn on the holdout group" in page
    assert "/admin/settings/sending/#id_global_holdout_share" in page
    GlobalHoldoutChange.objects.create(changed_at=JULY - timedelta(days=10), share=Decimal("0.1"), salt="salt")
    page = admin_client.get(PAGE).content.decode()
    assert "the first month is Jul 2026" in page
    make_clear_result().save()
    make_clear_result(month=None, measured_at=JULY + timedelta(days=300), until=JULY + timedelta(days=300)).save()
    page = admin_client.get(PAGE).content.decode()
    assert "of additional revenue since Jul 1, 2026" in page
    assert "+€22,500" in page
    assert "Months are estimated separately and need not add up to the total." in page
    assert "varied=holdout:" in page
    with translation.override("zh-hans"):
        assert "营销增量提升" in admin_client.get(PAGE, headers={"accept-language": "zh-hans"}).content.decode()


@pytest.mark.django_db
def test_the_endpoint_has_the_same_figures() -> None:
    GlobalHoldoutChange.objects.create(changed_at=JULY, share=Decimal("0.1"), salt="salt")
    make_clear_result(month=None).save()
    make_clear_result().save()
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="shop key", scopes=frozenset(["campaigns:read"])))  # type: ignore[arg-type]
    body = client.get("/api/v1/global-holdout/").json()
    assert body["share"] == "0.1000"
    [month] = body["months"]
    assert month["revenue"]["total"]["value"] == pytest.approx(22_500)
    assert month["holdout"] == {
        "customers": 1000,
        "buyers": 150,
        "orders": 150,
        "revenue": 7500,
        "margin": 3750,
        "written_to": 3,
        "messages": 3,
    }
    assert body["total"]["month"] is None
