"""The waterfall and the CSV of a constructed segment."""

import csv
import io
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, Identifier
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.models import Segment
from recommendations.campaigns import exports
from recommendations.campaigns.audience import build_preview, list_required_consents, preview_audience
from recommendations.campaigns.backoffice.audience_waterfall import build_waterfall, describe_effect
from recommendations.campaigns.exports import (
    export_audience,
    query_holdout_group,
    stream_audience,
    stream_holdout_group,
)
from recommendations.campaigns.models import AudienceExport, Campaign
from recommendations.measurement.assignment import compute_bucket
from recommendations.measurement.models import Assignment
from recommendations.measurement.statistics.power import compute_minimum_detectable_effect
from recommendations.sending.models import Delivery, SendingSettings, Suppression
from tests.makers import NOON, make_consent, make_customer, make_identifier, make_order, make_profile, make_segment

pytestmark = pytest.mark.django_db


def make_campaign(segment: Segment, **fields: Any) -> Campaign:
    fields = {
        "key": "spring",
        "name": "Spring",
        "holdout_share": Decimal("0.5"),
        "salt": "salt",
        "attribution_days": 30,
        **fields,
    }
    return Campaign.objects.create(segment=segment, **fields)


def test_channels_require_their_own_consent_as_the_form_says() -> None:
    help_text = str(Campaign._meta.get_field("required_consent").help_text)
    assert "Each channel except webhooks, on-site offers and CSV already requires its own consent" in help_text
    required = {channel: list_required_consents(Campaign(channel=channel)) for channel in Campaign.Channel}
    assert {channel for channel, purposes in required.items() if not purposes} == {"webhook", "on_site", "export"}
    assert list_required_consents(Campaign(channel="sms", required_consent="email")) == ["email", "sms"]
    assert not list_required_consents(Campaign(channel="sms", is_transactional=True))


def export(campaign: Campaign) -> tuple[list[dict[str, str]], AudienceExport]:
    stream = io.StringIO(newline="")
    record = export_audience(campaign=campaign, as_of=NOON, by="mia", stream=stream)
    return list(csv.DictReader(io.StringIO(stream.getvalue()))), record


@pytest.fixture
def loyal() -> Segment:
    """Ten loyal customers u0 … u9, a loyal visitor without user id, and a new customer outside the segment.

    Of the ten, u0 … u7 have an e-mail address, u0 … u5 consented to e-mail, u5 withdrew the consent; u0 … u3 bought this month.
    """
    for number in range(10):
        email = f"u{number}@example.com" if number < 8 else ""
        customer = make_customer(
            f"u{number}", email=email, pk=10**12 + number
        )  # fixed, because the holdout group depends on it
        make_profile(
            customer, stage="loyal", rfm_group="champions", r=5, f=4, m=3, orders=number, revenue=Decimal("9.50")
        )
        if number < 6:
            make_consent(customer, recorded_at=NOON - timedelta(days=5))
        if number == 5:
            make_consent(customer, status="withdrawn", recorded_at=NOON - timedelta(days=1))
        if number < 4:
            make_order(customer, placed_at=NOON - timedelta(days=29))
        make_order(customer, placed_at=NOON - timedelta(days=31))
    visitor = make_customer()
    make_identifier(visitor, "browser", kind=Identifier.Kind.ANONYMOUS_ID)
    make_profile(visitor, stage="loyal")
    make_profile(make_customer("outside"), stage="new")
    return make_segment("loyal", {"field": "stage", "op": "eq", "value": "loyal"})


def find_held_out(user_ids: list[str], share: int = 5000, salt: str = "salt") -> set[str]:
    pks = dict(Identifier.objects.filter(value__in=user_ids).values_list("value", "customer_id"))
    return {user_id for user_id, pk in pks.items() if compute_bucket(salt=salt, customer_id=pk) < share}


def make_recent_delivery(customer_id: int) -> None:
    Delivery.objects.create(
        origin_kind="campaign",
        origin_id=1,
        customer_id=customer_id,
        template_version_id=1,
        channel="email",
        due_at=NOON,
        claimed_at=NOON - timedelta(days=1),
    )


def test_export_audience_counts_all_customers_with_a_user_id(loyal: Segment) -> None:
    preview = preview_audience(campaign=make_campaign(loyal), as_of=NOON)
    n_held_out = len(find_held_out([f"u{number}" for number in range(10)]))
    assert (preview.segment, preview.reachable, preview.consented) == (11, 10, 10)
    assert (preview.held_out, preview.audience) == (n_held_out, 10 - n_held_out)
    assert (preview.buyers, preview.rate, preview.consent) == (4, 4 / 10, [])


def test_email_audience_requires_address_and_consent(loyal: Segment) -> None:
    preview = preview_audience(campaign=make_campaign(loyal, channel="email"), as_of=NOON)
    n_held_out = len(find_held_out([f"u{number}" for number in range(5)]))
    assert (preview.segment, preview.reachable, preview.consented) == (11, 8, 5)
    assert (preview.held_out, preview.audience) == (n_held_out, 5 - n_held_out)
    assert preview.consent == ["email"]


def test_export_can_require_consent(loyal: Segment) -> None:
    preview = preview_audience(campaign=make_campaign(loyal, required_consent="email"), as_of=NOON)
    assert (preview.reachable, preview.consented, preview.consent) == (10, 5, ["email"])
    both = make_campaign(loyal, key="both", channel="email", required_consent="sms")
    assert preview_audience(campaign=both, as_of=NOON).consented == 0


def test_on_site_audience_includes_known_browsers(loyal: Segment) -> None:
    assert preview_audience(campaign=make_campaign(loyal, channel="on_site"), as_of=NOON).reachable == 11


def test_preview_is_two_queries(loyal: Segment) -> None:
    campaign = make_campaign(loyal, channel="email")
    with CaptureQueriesContext(connection) as queries:
        preview_audience(campaign=campaign, as_of=NOON)
    assert len(queries) == 3  # the settings of sending, the excluded segments, and all counts at once


def test_the_rate_is_that_of_the_customers_who_can_be_reached(loyal: Segment) -> None:
    preview = preview_audience(campaign=make_campaign(loyal, channel="email"), as_of=NOON)
    assert (preview.consented, preview.buyers, preview.rate) == (5, 4, 4 / 5)
    short = preview_audience(campaign=make_campaign(loyal, key="short", attribution_days=7), as_of=NOON)
    assert (short.buyers, short.rate_days, short.mde_missing) == (0, 7, "no_buyers")


def test_an_effect_is_stated_or_has_a_reason(loyal: Segment) -> None:
    for number in range(100, 500):
        customer = make_customer(f"u{number}")
        make_profile(customer, stage="loyal")
        if number < 200:
            make_order(customer, placed_at=NOON - timedelta(days=3))
    preview = preview_audience(campaign=make_campaign(loyal), as_of=NOON)
    assert preview.rate == pytest.approx(104 / 410)
    assert preview.mde == pytest.approx(
        compute_minimum_detectable_effect(rate=104 / 410, treated=preview.audience, held_out=preview.held_out)
    )
    assert "25.37%" in describe_effect(preview)
    without = preview_audience(campaign=make_campaign(loyal, key="all", holdout_share=0), as_of=NOON)
    assert (without.held_out, without.mde, without.mde_missing) == (0, None, "no_holdout")
    assert "Set a holdout share" in describe_effect(without)
    later = preview_audience(campaign=Campaign.objects.get(key="spring"), as_of=NOON + timedelta(days=60))
    assert (later.rate, later.mde_missing) == (0, "no_buyers")
    assert "30 days" in describe_effect(later)


def test_an_impossible_effect_is_refused_with_a_sentence() -> None:
    preview = build_preview(
        Campaign(holdout_share=Decimal("0.1")),
        NOON,
        segment=400,
        included=400,
        reachable=400,
        consented=393,
        allowed=393,
        uncapped=393,
        eligible=393,
        held_out=41,
        buyers=384,
    )
    assert (preview.mde, preview.mde_missing) == (None, "too_small")
    assert "the rate cannot exceed 100%" in describe_effect(preview)


def test_excluded_segments_are_a_step_of_their_own(loyal: Segment) -> None:
    campaign = make_campaign(loyal)
    campaign.excluded_segments.add(
        make_segment("many-orders", {"field": "orders", "op": "gte", "value": 8}),
        make_segment("rfm", {"field": "orders", "op": "eq", "value": 3}),
    )
    preview = preview_audience(campaign=campaign, as_of=NOON)
    assert (preview.segment, preview.included, preview.reachable) == (11, 8, 7)
    assert {row["user_id"] for row in export(campaign)[0]} <= {"u0", "u1", "u2", "u4", "u5", "u6", "u7"}


def test_empty_segment_has_an_empty_audience() -> None:
    empty = make_segment("empty", {"not": {"all": []}})
    preview = preview_audience(campaign=make_campaign(empty), as_of=NOON)
    assert (preview.segment, preview.audience, preview.rate, preview.mde_missing) == (0, 0, None, "no_audience")
    assert [step["customers"] for step in build_waterfall(preview)] == [0] * 9
    assert describe_effect(preview)


def test_steps_report_the_customers_lost(loyal: Segment) -> None:
    preview = preview_audience(campaign=make_campaign(loyal, channel="email"), as_of=NOON)
    steps = build_waterfall(preview)
    assert [step["customers"] for step in steps] == [11, 11, 8, 5, 5, 5, 5, 5, preview.audience]
    assert [step["lost"] for step in steps] == [0, 0, 3, 3, 0, 0, 0, 0, preview.held_out]


def test_csv_contains_the_audience_without_the_holdout_group(loyal: Segment) -> None:
    rows, record = export(make_campaign(loyal))
    all_customers = {f"u{number}" for number in range(10)}
    held_out = find_held_out(sorted(all_customers))
    assert held_out
    assert {row["user_id"] for row in rows} == all_customers - held_out
    assert {
        "stage": "loyal",
        "rfm_group": "champions",
        "r": "5",
        "f": "4",
        "m": "3",
        "revenue": "9.50",
    }.items() <= rows[0].items()
    assert (record.segment_size, record.held_out, record.rows) == (11, len(held_out), 10 - len(held_out))
    assert (record.exported_by, record.exported_at) == ("mia", NOON)


def test_holdout_group_is_stable_when_customers_join(loyal: Segment) -> None:
    campaign = make_campaign(loyal)
    before = {row["user_id"] for row in export(campaign)[0]}
    for number in range(10, 30):
        make_profile(make_customer(f"u{number}"), stage="loyal")
    after = {row["user_id"] for row in export(campaign)[0]}
    assert before == {user_id for user_id in after if int(user_id[1:]) < 10}
    assert campaign.exports.count() == 2


def test_the_holdout_group_of_an_export_follows_merges(loyal: Segment) -> None:
    _rows, record = export(make_campaign(loyal))
    held_out = set(record.held_out_ids)
    first, second = sorted(held_out)[:2]
    third, fourth = (make_customer(name).pk for name in ("kept-later", "kept-last"))
    merge_customers(pairs=[(third, first)], at=NOON, causes=["login"])
    merge_customers(pairs=[(fourth, third)], at=NOON, causes=["login"])
    assert set(query_holdout_group(record).values_list("pk", flat=True)) == held_out - {first} | {fourth}
    merge_customers(pairs=[(fourth, second)], at=NOON, causes=["login"])
    group = "".join(stream_holdout_group(export=record, with_personal=True))
    assert len(group.splitlines()) == 1 + len(held_out) - 1, "two who are the same person are one line"
    assert set(query_holdout_group(record).values_list("pk", flat=True)) == held_out - {first, second} | {fourth}


def test_preview_and_csv_agree(loyal: Segment) -> None:
    SendingSettings(
        global_holdout_share=Decimal("0.3"),
        global_holdout_salt="global",
        caps=[{"channel": "", "messages": 1, "days": 7}],
    ).save()
    make_recent_delivery(10**12)
    for channel in ("export", "email", "on_site"):
        campaign = make_campaign(loyal, key=channel, channel=channel)
        preview = preview_audience(campaign=campaign, as_of=NOON)
        rows, record = export(campaign)
        assert (preview.segment, preview.held_out, preview.audience) == (
            record.segment_size,
            record.held_out,
            record.rows,
        )
        assert len(rows) == preview.audience
        assert preview.capped == 1
        assert preview.global_holdout > 0


def test_the_global_holdout_group_is_in_no_csv_and_in_neither_group(loyal: Segment) -> None:
    SendingSettings(global_holdout_share=Decimal("0.3"), global_holdout_salt="global", caps=[]).save()
    all_customers = sorted(f"u{number}" for number in range(10))
    without_marketing = find_held_out(all_customers, 3000, "global")
    assert without_marketing
    campaign = make_campaign(loyal)
    rows, record = export(campaign)
    eligible = set(all_customers) - without_marketing
    assert {row["user_id"] for row in rows} == eligible - find_held_out(all_customers)
    assert record.held_out == len(eligible & find_held_out(all_customers))
    assigned = Assignment.objects.filter(kind=Assignment.Kind.CAMPAIGN, scope_id=campaign.pk)
    assert set(assigned.values_list("customer_id", flat=True)) == {10**12 + int(user_id[1:]) for user_id in eligible}
    transactional = make_campaign(loyal, key="transactional", is_transactional=True, holdout_share=0)
    assert {row["user_id"] for row in export(transactional)[0]} == set(all_customers)


def test_a_csv_omits_suppressed_customers_and_those_who_have_reached_the_cap(loyal: Segment) -> None:
    SendingSettings(caps=[{"channel": "email", "messages": 1, "days": 7}]).save()
    make_identifier(Customer.objects.get(pk=10**12 + 1), "hash", kind=Identifier.Kind.EMAIL_HASH)
    Suppression.objects.create(kind=Suppression.Kind.EMAIL, value_hash="hash", reason="manual", added_at=NOON)
    make_recent_delivery(10**12)
    rows, _record = export(make_campaign(loyal, channel="email", holdout_share=0))
    assert {row["user_id"] for row in rows} == {"u2", "u3", "u4"}
    preview = preview_audience(campaign=make_campaign(loyal, key="csv"), as_of=NOON)
    steps = {step["name"]: step["description"] for step in build_waterfall(preview)}
    assert "another system" in steps["Frequency cap"]
    assert "another system" in steps["Quiet hours"]


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_user_id_is_never_a_formula(evil: str) -> None:
    make_customer(evil)
    make_customer('a,"b"\nc')
    rows, _record = export(make_campaign(make_segment("all-customers"), holdout_share=0))
    assert [row["user_id"] for row in rows] == [f"'{evil}", 'a,"b"\nc']


def test_interrupted_export_records_the_rows_written(loyal: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK_ROWS", 3)
    lines = stream_audience(campaign=make_campaign(loyal, holdout_share=0), as_of=NOON, by="mia", with_personal=True)
    assert AudienceExport.objects.get().rows == 0
    text = next(lines) + next(lines)
    lines.close()  # type: ignore[attr-defined]
    record = AudienceExport.objects.get()
    assert (record.segment_size, record.rows, len(text.splitlines())) == (
        3,
        len(text.splitlines()) - 1,
        record.rows + 1,
    )


def test_invalid_segment_is_reported_and_nothing_is_recorded() -> None:
    campaign = make_campaign(make_segment("broken", {"field": "x", "op": "eq"}))
    with pytest.raises(ConditionError, match=r"\$\.field"):
        preview_audience(campaign=campaign, as_of=NOON)
    with pytest.raises(ConditionError):
        stream_audience(campaign=campaign, as_of=NOON, by="mia", with_personal=True)
    assert not AudienceExport.objects.exists()


def test_an_erased_customer_is_in_no_audience(loyal: Segment) -> None:
    Customer.objects.update(erased_at=NOON)
    assert preview_audience(campaign=make_campaign(loyal), as_of=NOON).segment == 0


def test_messages_that_wait_for_the_end_of_quiet_hours_are_counted(loyal: Segment, settings: Any) -> None:
    """At noon UTC it is quiet from 20:00 to 08:00 in Shanghai and New York, and not in London; a trait says more than the country."""
    SendingSettings(quiet_from=time(20), quiet_until=time(8)).save()
    at_home = {"country": "GB"}
    values = [
        {"country": "CN"},
        {"country": "US"},
        at_home,
        {"country": "CN", "traits": {"time_zone": "Europe/London"}},
    ]
    for number, fields in enumerate([*values, {"country": "GB", "traits": {"timezone": "Asia/Shanghai"}}]):
        Customer.objects.filter(pk=10**12 + number).update(**fields)
    preview = preview_audience(campaign=make_campaign(loyal, channel="email", holdout_share=0), as_of=NOON)
    assert (preview.audience, preview.postponed) == (5, 3)
    quiet = next(step for step in build_waterfall(preview) if step["name"] == "Quiet hours")
    assert (quiet["lost"], quiet["description"].split(": ")[1][:10]) == (0, "3 messages")
    local = make_campaign(loyal, key="local", channel="email", holdout_share=0, uses_customer_time=True)
    assert preview_audience(campaign=local, as_of=NOON).postponed == 3, "without a start, all are sent at the launch"
    local.kind, local.weekdays, local.send_time = Campaign.Kind.RECURRING, [1], time(21)
    assert preview_audience(campaign=local, as_of=NOON).postponed == 5


def test_customers_whose_local_time_has_passed_are_counted(loyal: Segment) -> None:
    """Two hours after noon UTC has passed in Shanghai and not in New York, London and the shop; a trait says more than the country."""
    values: list[dict[str, Any]] = [
        {"country": "CN"},
        {"country": "US"},
        {"country": "CN", "traits": {"time_zone": "Europe/London"}},
        {"country": "GB", "traits": {"timezone": "Asia/Shanghai"}},
    ]
    for number, fields in enumerate(values):
        Customer.objects.filter(pk=10**12 + number).update(**fields)
    start = NOON + timedelta(hours=2)
    campaign = make_campaign(loyal, channel="email", holdout_share=0, uses_customer_time=True, starts_at=start)
    preview = preview_audience(campaign=campaign, as_of=NOON)
    assert (preview.audience, preview.already_due) == (5, 2)
    sentence = "2 customers get the message as soon as the campaign is launched"
    assert sentence in build_waterfall(preview)[-1]["description"]
    campaign.starts_at = NOON + timedelta(days=2)
    later = preview_audience(campaign=campaign, as_of=NOON)
    assert later.already_due == 0
    assert "as soon as" not in build_waterfall(later)[-1]["description"]
    campaign.starts_at, campaign.uses_customer_time = start, False
    assert preview_audience(campaign=campaign, as_of=NOON).already_due == 0
    campaign.uses_customer_time, campaign.status = True, Campaign.Status.RUNNING
    assert preview_audience(campaign=campaign, as_of=NOON).already_due == 0
