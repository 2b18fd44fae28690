"""The months of a small shop with a change of the share, counted by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import transaction

from customers.identity.consent.append_only import allow_ledger_changes
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Consent, Customer, Identifier, IdentityMerge
from customers.identity.personal_data.hashing import hash_email
from recommendations.measurement.assignment import compute_bucket
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.sending.global_holdout.history import build_rule
from recommendations.sending.global_holdout.measuring import measure_months, read_group
from recommendations.sending.global_holdout.months import list_windows
from recommendations.sending.models import (
    Delivery,
    GlobalHoldoutChange,
    GlobalHoldoutResult,
    SendingSettings,
    Suppression,
)
from tests.makers import make_consent, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

SALT = "global"
JULY, AUGUST, SEPTEMBER, OCTOBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (7, 8, 9, 10))
JUNE = datetime(2026, 6, 20, tzinfo=UTC)
SPRING = datetime(2026, 3, 1, tzinfo=UTC)


def change_share(at: datetime, share: str, salt: str = SALT) -> None:
    GlobalHoldoutChange.objects.create(changed_at=at, share=Decimal(share), salt=salt)


def make_subscribers(buckets: list[int], *, first: int = 5_000) -> list[Customer]:
    """Create a subscriber for each bucket, in the half-open ranges of 1,000 that begin with these numbers."""
    customers, number = [], first
    for bucket in buckets:
        while compute_bucket(salt=SALT, customer_id=number) // 1000 != bucket // 1000:
            number += 1
        customers.append(make_customer(pk=number, email=f"{number}@shop.example"))
        number += 1
    Customer.objects.update(created_at=SPRING)
    for customer in customers:
        make_consent(customer, recorded_at=SPRING)
    return customers


def count_groups(month: date | None = None) -> dict[str, int]:
    """Return the number of customers of both groups in a stored month."""
    result = GlobalHoldoutResult.objects.get(month=month)
    return {name: read_group(group).moments.n for name, group in result.groups.items()}


def read_sum(month: date | None, group: str, column: OutcomeColumn) -> float:
    result = GlobalHoldoutResult.objects.get(month=month)
    return float(read_group(result.groups[group]).moments.sums[column])


@pytest.fixture
def shop(settings) -> list[Customer]:  # type: ignore[no-untyped-def]
    """Six subscribers. The first one is always held out, the second since the share was raised in August."""
    settings.TIME_ZONE = "UTC"
    customers = make_subscribers([500, 1500, 3500, 5500, 7500, 9500])
    change_share(JUNE, "0.1")
    change_share(datetime(2026, 8, 10, tzinfo=UTC), "0.2")
    return customers


def test_each_month_is_measured_with_the_shares_that_were_valid_then(shop: list[Customer]) -> None:
    held_out, raised, treated, *_others = shop
    product = make_product(price=Decimal(50), cost=Decimal(20))
    for customer, placed_at in (
        (treated, JULY + timedelta(days=3)),
        (raised, JULY + timedelta(days=4)),
        (raised, AUGUST + timedelta(days=20)),
        (treated, SEPTEMBER),
        (held_out, SEPTEMBER - timedelta(seconds=1)),
        (held_out, OCTOBER + timedelta(days=1)),
        (treated, JUNE),
        (treated, SPRING),
    ):
        make_order(customer, placed_at=placed_at, products=[product])
    assert measure_months(as_of=OCTOBER + timedelta(days=2)) == 4
    # June has nobody who was held out in the whole month; in August, the second customer changed the group
    assert [
        (result.month.month, result.shares) for result in GlobalHoldoutResult.objects.filter(month__isnull=False)
    ] == [
        (10, {"marketing": 0.8, "holdout": 0.2}),
        (9, {"marketing": 0.8, "holdout": 0.2}),
        (8, {"marketing": 0.8, "holdout": 0.1}),
        (7, {"marketing": 0.9, "holdout": 0.1}),
    ]
    july, august, september = (date(2026, month, 1) for month in (7, 8, 9))
    assert count_groups(july) == {"marketing": 5, "holdout": 1}
    assert count_groups(august) == {"marketing": 4, "holdout": 1}
    assert count_groups(september) == {"marketing": 4, "holdout": 2}
    orders = OutcomeColumn.ORDERS
    assert [read_sum(july, group, orders) for group in ("marketing", "holdout")] == [2, 0]
    assert [read_sum(august, group, orders) for group in ("marketing", "holdout")] == [0, 1]
    assert [read_sum(september, group, orders) for group in ("marketing", "holdout")] == [1, 0]
    assert read_sum(september, "marketing", OutcomeColumn.MARGIN) == 30
    # what was bought before the holdout group began, and nothing since: in September, July's order is not known "earlier"
    assert [read_sum(month, "marketing", OutcomeColumn.EARLIER_REVENUE) for month in (july, september)] == [50, 50]
    # in total, those who were in one group all the time
    assert count_groups() == {"marketing": 4, "holdout": 1}
    assert read_sum(None, "marketing", orders) == 2
    assert read_sum(None, "holdout", orders) == 2


def test_a_final_month_is_not_measured_again_unless_everything_is(shop: list[Customer]) -> None:
    measure_months(as_of=OCTOBER + timedelta(days=2))
    assert measure_months(as_of=OCTOBER + timedelta(days=20)) == 2  # September, which was not final yet, and October
    assert measure_months(as_of=OCTOBER + timedelta(days=20), everything=True) == 4
    assert measure_months(as_of=OCTOBER + timedelta(days=20)) == 1


def test_whoever_could_be_written_to_once_stays_in_the_group(shop: list[Customer]) -> None:
    _held_out, raised, treated, unreachable, denied, suppressed = shop
    late = make_subscribers([4500], first=90_000)[0]
    with transaction.atomic(), allow_ledger_changes():
        Consent.objects.filter(customer=late).update(recorded_at=AUGUST + timedelta(days=5))
    make_consent(treated, status=Consent.Status.WITHDRAWN, recorded_at=JULY + timedelta(days=5))
    Customer.objects.filter(pk=unreachable.pk).update(email="")
    make_consent(denied, status=Consent.Status.WITHDRAWN, recorded_at=SPRING + timedelta(days=1))
    for customer, added_at in ((suppressed, SPRING), (raised, JULY + timedelta(days=9))):
        value = hash_email(customer.email)
        Identifier.objects.create(customer=customer, kind=Identifier.Kind.EMAIL_HASH, value=value)
        Suppression.objects.create(value_hash=value, reason=Suppression.Reason.MANUAL, added_at=added_at)
    Identifier.objects.update(created_at=SPRING)
    measure_months(as_of=OCTOBER)
    # treated has withdrawn consent and raised is suppressed, but only since the holdout group began
    assert count_groups(date(2026, 7, 1)) == {"marketing": 2, "holdout": 1}
    # late joined in August and counts from September on
    assert count_groups(date(2026, 8, 1)) == {"marketing": 1, "holdout": 1}
    assert count_groups(date(2026, 9, 1)) == {"marketing": 2, "holdout": 2}
    assert count_groups() == {"marketing": 2, "holdout": 1}


def test_marketing_that_was_sent_is_counted_for_both_groups(shop: list[Customer]) -> None:
    held_out, _raised, treated, *_others = shop
    for number, (customer, fields) in enumerate(
        (
            (treated, {}),
            (treated, {}),
            (held_out, {}),
            (treated, {"is_transactional": True}),
            (shop[3], {"status": "skipped"}),
        )
    ):
        sent_at = None if "status" in fields else JULY + timedelta(days=number)
        Delivery.objects.create(
            **{"origin_kind": "campaign", "origin_id": number, "customer_id": customer.pk, "template_version_id": 1},
            **{
                "channel": "email",
                "due_at": JULY,
                "claimed_at": sent_at,
                "sent_at": sent_at,
                "status": "sent",
                **fields,
            },
        )
    measure_months(as_of=AUGUST)
    groups = GlobalHoldoutResult.objects.get(month=date(2026, 7, 1)).groups
    assert [(groups[name]["written"], groups[name]["messages"]) for name in ("marketing", "holdout")] == [
        (1, 2),
        (1, 1),
    ]


@pytest.mark.parametrize("keeps_held_out", [True, False])
def test_of_merged_customers_the_kept_one_decides_and_a_revert_restores_both(
    shop: list[Customer], keeps_held_out: bool
) -> None:
    held_out, _raised, treated, *_others = shop
    product = make_product(price=Decimal(50))
    for customer in (held_out, treated):
        make_order(customer, placed_at=JULY, products=[product])
    kept, merged = (held_out, treated) if keeps_held_out else (treated, held_out)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=AUGUST, causes=["test"])
    measure_months(as_of=AUGUST, everything=True)
    july = date(2026, 7, 1)
    expected = {"marketing": 4, "holdout": 1} if keeps_held_out else {"marketing": 5, "holdout": 0}
    assert count_groups(july) == expected
    assert read_sum(july, "holdout" if keeps_held_out else "marketing", OutcomeColumn.ORDERS) == 2
    revert_merge(merge_id=IdentityMerge.objects.get().pk, at=AUGUST, by="test")
    measure_months(as_of=AUGUST, everything=True)
    assert count_groups(july) == {"marketing": 5, "holdout": 1}
    assert read_sum(july, "holdout", OutcomeColumn.ORDERS) == 1


def test_saving_the_settings_records_changes_of_the_share_only() -> None:
    stored = SendingSettings(global_holdout_share=Decimal(0))
    stored.save()
    assert not GlobalHoldoutChange.objects.exists()
    for share in ("0.05", "0.05", "0"):
        stored.global_holdout_share = Decimal(share)
        stored.save()
    changes = list(GlobalHoldoutChange.objects.values_list("share", "salt"))
    assert changes == [(Decimal("0.05"), stored.global_holdout_salt), (Decimal(0), stored.global_holdout_salt)]


def test_a_new_salt_begins_a_new_comparison() -> None:
    changes = [
        GlobalHoldoutChange(changed_at=JUNE, share=Decimal("0.1"), salt="a"),
        GlobalHoldoutChange(changed_at=AUGUST + timedelta(days=3), share=Decimal("0.2"), salt="b"),
        GlobalHoldoutChange(changed_at=OCTOBER, share=Decimal(0), salt="b"),
    ]
    windows = list_windows(changes, as_of=OCTOBER + timedelta(days=2), zone=UTC)  # type: ignore[arg-type]
    assert [(window.since, window.began_at) for window in windows] == [
        (JULY, JULY),
        (AUGUST, AUGUST),
        (SEPTEMBER, SEPTEMBER),
    ]
    august = build_rule(changes, since=AUGUST, until=SEPTEMBER)
    assert np.isclose(august.held_out_share, 0.1 * 0.2)
    assert np.isclose(august.marketing_share, 0.9 * 0.8)
