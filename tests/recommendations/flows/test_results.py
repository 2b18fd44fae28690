"""The holdout group of a flow: who is held out gets nothing, stays held out, and the results compare both groups."""

import csv
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, Identifier
from recommendations.flows.backoffice.list_pages import build_flow_row
from recommendations.flows.backoffice.reference_names import ReferenceNames
from recommendations.flows.execution.holdout import name_holdout_salt
from recommendations.flows.execution.holdout_export import query_held_out
from recommendations.flows.models import Flow, FlowEntry
from recommendations.flows.publishing import FlowStateError, create_flow, get_or_create_draft, publish_flow, save_draft
from recommendations.flows.results import compute_flow_results
from recommendations.flows.statistics import FlowFigures, read_flow_figures
from recommendations.measurement.assignment import is_held_out
from recommendations.measurement.models import Assignment
from recommendations.sending.models import Delivery
from tests.makers import make_consent, make_customer, make_order, make_product, make_profile
from tests.recommendations.flows.makers import (
    NOON,
    make_definition,
    make_live_flow,
    make_template,
    message,
    run,
    signal,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def make_measured_flow(share: str = "0.5") -> Flow:
    make_template()
    flow = make_live_flow([message("hello")])
    Flow.objects.filter(pk=flow.pk).update(salt="salt", holdout_share=Decimal(share), attribution_days=7)
    flow.refresh_from_db()
    return flow


def make_customers(number: int) -> list[Customer]:
    customers = [make_customer(pk=10**11 + index, language="en") for index in range(number)]
    for customer in customers:
        make_profile(customer, stage="active", value=20)
    return customers


def list_held_out(customers: list[Customer]) -> set[int]:
    salt = name_holdout_salt("salt")
    return {each.pk for each in customers if is_held_out(salt=salt, customer_id=each.pk, share=Decimal("0.5"))}


def test_held_out_customers_get_nothing_and_are_recorded_with_what_was_known_then() -> None:
    flow, customers = make_measured_flow(), make_customers(12)
    for customer in customers:
        signal(customer.pk)
    run(NOON)
    held_out = list_held_out(customers)
    assert 0 < len(held_out) < 12
    assert set(FlowEntry.objects.filter(status="held_out").values_list("customer_id", flat=True)) == held_out
    assert set(Delivery.objects.values_list("customer_id", flat=True)) == {each.pk for each in customers} - held_out
    assert set(Assignment.objects.filter(is_held_out=True).values_list("customer_id", flat=True)) == held_out
    assert set(Assignment.objects.values_list("stage", "language", "predicted_value")) == {("active", "en", 20.0)}
    figures = read_flow_figures([flow.pk])[flow.pk]
    assert (figures.entered, figures.inside) == (12 - len(held_out), 0)


def test_the_decision_stays_in_new_versions_and_with_another_share() -> None:
    flow, customers = make_measured_flow(), make_customers(12)
    for customer in customers:
        signal(customer.pk)
    run(NOON)
    save_draft(flow=flow, definition=make_definition([message("other")]), by=None)
    publish_flow(flow=flow, now=NOON + DAY)
    Flow.objects.filter(pk=flow.pk).update(holdout_share=Decimal("0.01"))
    for customer in customers:
        signal(customer.pk, at=NOON + DAY)
    run(NOON + DAY)
    held_out = list_held_out(customers)
    assert FlowEntry.objects.filter(status="held_out").count() == 2 * len(held_out)
    assert Assignment.objects.count() == 12


def test_orders_of_both_groups_are_compared_from_the_first_entry_on() -> None:
    flow, customers = make_measured_flow(), make_customers(12)
    for customer in customers:
        signal(customer.pk)
    run(NOON)
    held_out = list_held_out(customers)
    treated = [customer for customer in customers if customer.pk not in held_out]
    product = make_product(price=Decimal(10), cost=Decimal(4))
    for days in (1, 6, 8):  # the last one is after the window
        make_order(treated[0], placed_at=NOON + days * DAY, products=[product])
    comparison = compute_flow_results(flow, as_of=NOON + 10 * DAY).comparison
    assert (comparison.treated.customers, comparison.control.customers) == (len(treated), len(held_out))
    assert (comparison.treated.orders, comparison.treated.revenue, comparison.treated.margin) == (2, 20, 12)
    assert comparison.revenue is not None
    assert comparison.revenue.difference.value == pytest.approx(20 / len(treated))
    assert not comparison.is_final
    assert [part.dimension for part in comparison.parts] == []  # too small to compare
    early = compute_flow_results(flow, as_of=NOON + 2 * DAY).comparison
    assert early.treated.orders == 1


def test_after_a_merge_the_earlier_decision_counts() -> None:
    flow, customers = make_measured_flow(), make_customers(12)
    held_out = list_held_out(customers)
    first = next(customer for customer in customers if customer.pk in held_out)
    second = next(customer for customer in customers if customer.pk not in held_out)
    for number, customer in enumerate((first, second, *customers)):
        signal(customer.pk, at=NOON + number * timedelta(minutes=2))
        run(NOON + number * timedelta(minutes=2))
    merge_customers(pairs=[(second.pk, first.pk)], at=NOON + DAY, causes=["test"])
    comparison = compute_flow_results(flow, as_of=NOON + DAY).comparison
    assert comparison.control.customers == len(held_out)
    assert comparison.treated.customers == 12 - len(held_out) - 1
    assert set(query_held_out(flow).values_list("pk", flat=True)) == (held_out - {first.pk}) | {second.pk}
    signal(second.pk, at=NOON + DAY)
    run(NOON + DAY)
    assert FlowEntry.objects.filter(customer_id=second.pk).order_by("-pk")[0].status == "held_out"


def login(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("anna", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def test_the_page_says_what_to_do_and_only_who_may_change_the_flow_sets_the_share(client: Client) -> None:
    flow = make_measured_flow("0")
    url = reverse("flows:results", args=[flow.pk])
    login(client, "view_flow")
    assert "This flow has no holdout group" in client.get(url).content.decode()
    assert client.post(url, {"holdout_share": "0.2", "attribution_days": 14}).status_code == 403
    User.objects.get().user_permissions.add(Permission.objects.get(codename="change_flow"))
    assert "0.9" in client.post(url, {"holdout_share": "2", "attribution_days": 14}).content.decode()
    assert client.post(url, {"holdout_share": "0.2", "attribution_days": 14}).status_code == 302
    flow.refresh_from_db()
    assert (flow.holdout_share, flow.attribution_days) == (Decimal("0.2"), 14)
    assert "Nobody has entered since the holdout group was set" in client.get(url).content.decode()


def test_the_page_shows_the_groups_in_both_languages(client: Client) -> None:
    flow, customers = make_measured_flow(), make_customers(12)
    for customer in customers:
        make_consent(customer)
        signal(customer.pk)
    run(NOON)
    make_order(customers[0], placed_at=NOON + DAY, products=[make_product()])
    login(client, "view_flow")
    url = reverse("flows:results", args=[flow.pk])
    assert "Effect of the messages" in client.get(url).content.decode()
    assert "消息的效果" in client.get(url, headers={"accept-language": "zh-hans"}).content.decode()
    download = reverse("flows:holdout", args=[flow.pk])
    assert client.get(download).status_code == 403
    assert download not in client.get(url).content.decode()
    User.objects.get().user_permissions.add(Permission.objects.get(codename="export_customers"))
    assert download in client.get(url).content.decode()
    held_out = min(list_held_out(customers))
    Identifier.objects.create(customer_id=held_out, kind=Identifier.Kind.USER_ID, value="ann@shop.example")
    lines = list(csv.reader(StringIO(b"".join(client.get(download)).decode("utf-8-sig"))))  # type: ignore[call-overload]
    assert lines[0][:3] == ["user_id", "held_out_at", "stage"]
    assert len(lines) - 1 == len(list_held_out(customers))
    assert lines[1][0] not in ("", "ann@shop.example")
    assert lines[1][2] == "active"
    assert LogEntry.objects.filter(object_pk=str(flow.pk), additional_data__details__group="holdout").exists()


@pytest.mark.django_db
def test_the_list_shows_a_goal_rate_only_for_flows_with_a_goal_and_an_ending_flow_says_so() -> None:
    figures = FlowFigures(entered=2, inside=0)
    goal = {"kind": "event", "event": "order_placed", "where": []}
    rows = []
    for name, parts in (("Without", {}), ("With", {"goal": goal})):
        flow = create_flow(name=name, definition=make_definition([], **parts))
        rows.append(build_flow_row(flow, flow.versions.get(), figures, ReferenceNames()))
    assert [row["goal_rate"] for row in rows] == [None, 0]
    flow.status = "ending"
    with pytest.raises(FlowStateError, match="is ending"):
        get_or_create_draft(flow=flow, by=None)
