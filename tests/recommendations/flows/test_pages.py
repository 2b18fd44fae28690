"""The pages of flows: a marketer makes a flow from a recipe, edits its steps, publishes it and sees who is inside."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.segments.models import Segment
from recommendations.flows.backoffice import results_page
from recommendations.flows.execution.holdout import name_holdout_salt
from recommendations.flows.models import Flow
from recommendations.flows.publishing import create_flow, get_draft, pause_flow, publish_flow, save_draft
from recommendations.measurement.assignment import is_held_out
from recommendations.measurement.models import Assignment
from recommendations.sending.models import Delivery
from recommendations.sending.settings_model import SendingSettings
from recommendations.sending.suppressions.suppression_list import suppress_email
from tests.makers import NOON, make_consent, make_customer, make_profile, make_segment
from tests.recommendations.flows.makers import (
    make_definition,
    make_live_flow,
    make_template,
    message,
    run,
    signal,
    wait,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(client: Client) -> Client:
    user = User.objects.create_user("mia", "mia@example.org", "demo-pass-123", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketer"))
    client.force_login(user)
    return client


def read(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return response.content.decode()


def make_draft(*steps: dict[str, Any]) -> Flow:
    return create_flow(name="Basket", definition=make_definition(steps, filter={"all": []}, exits=[]))


def test_a_recipe_becomes_a_live_flow(marketer: Client) -> None:
    assert "Cart abandonment" in read(marketer, reverse("flows:recipes"))
    response = marketer.post(reverse("flows:recipe", args=["welcome"]), {}, follow=True)
    flow = Flow.objects.get()
    assert "The draft is ready" in response.content.decode()
    marketer.post(reverse("flows:state", args=[flow.pk]), {"action": "publish"})
    flow.refresh_from_db()
    assert flow.status == "live"
    assert "Welcome" in read(marketer, reverse("flows:list"))


def test_a_duplicate_has_the_newest_definition_even_if_it_is_unfinished(marketer: Client) -> None:
    trigger = {"kind": "stage", "to": ["at_risk"]}
    unfinished = create_flow(name="New", definition={**make_definition([]), "trigger": trigger})
    make_template()
    live = make_live_flow([message("hello")], name="Live")
    save_draft(flow=live, definition=make_definition([{"key": "pause", "kind": "wait"}]), by=None)
    for flow in (unfinished, live):
        response = marketer.post(reverse("flows:state", args=[flow.pk]), {"action": "duplicate"}, follow=True)
        copied = Flow.objects.get(name=f"Copy of {flow.name}")
        assert response.redirect_chain == [(reverse("flows:flow", args=[copied.pk]), 302)]
        assert response.status_code == 200
        draft, original = get_draft(copied), get_draft(flow)
        assert draft is not None
        assert original is not None
        assert draft.definition == original.definition


def test_steps_are_added_edited_moved_and_deleted(marketer: Client) -> None:
    make_template()
    make_segment("loyal")
    flow = make_draft(wait("pause", days=1))
    page = reverse("flows:flow", args=[flow.pk])
    add = reverse("flows:add-step", args=[flow.pk])
    assert "days" in read(marketer, f"{add}?kind=wait")
    marketer.post(f"{add}?kind=message&after=pause", {"template": "hello"})
    assert "data-condition-builder" in read(marketer, f"{add}?kind=branch&after=message")
    condition = {"field": "segment", "op": "in", "value": ["loyal"]}
    marketer.post(f"{add}?kind=branch&after=message", {"condition": json.dumps(condition)})
    marketer.post(f"{add}?kind=add_tag&into=branch&branch=yes", {"tag": "vip"})
    marketer.get(f"{add}?kind=exit&into=branch&branch=no")
    marketer.post(
        reverse("flows:step", args=[flow.pk, "pause"]), {"for_days": "0", "for_hours": "3", "for_minutes": ""}
    )
    response = marketer.post(reverse("flows:move-step", args=[flow.pk, "message"]), {"direction": "up"}, follow=True)
    text = response.content.decode()
    assert text.index("Send a message: hello") < text.index("Wait 3 hours") < text.index("egment is loyal")
    draft = get_draft(flow)
    assert draft is not None
    branch = draft.definition["steps"][2]
    assert branch["condition"] == condition
    assert [branch["branches"][name][0]["kind"] for name in ("yes", "no")] == ["add_tag", "exit"]
    marketer.post(reverse("flows:delete-step", args=[flow.pk, "branch"]))
    assert "egment is loyal" not in read(marketer, page)


def test_a_segment_is_picked_and_shown_by_its_name_and_the_filter_has_the_condition_builder(marketer: Client) -> None:
    make_template()
    make_segment("vip", name="Best customers")
    make_segment("picked", name="Picked", kind="static")
    flow = make_draft(message("hello"), {"key": "mark", "kind": "add_to_segment", "segment": "picked"})
    part = reverse("flows:part", args=[flow.pk, "trigger"])
    form = read(marketer, f"{part}?kind=segment")
    assert '<option value="vip">Best customers</option>' in form
    assert "Choose a segment" in form
    refused = marketer.post(f"{part}?kind=segment", {"segment": "", "direction": "left"})
    assert "field-error" in refused.content.decode()
    marketer.post(f"{part}?kind=segment", {"segment": "vip", "direction": "left"})
    page = read(marketer, reverse("flows:flow", args=[flow.pk]))
    assert "Leaves the segment Best customers" in page
    assert "Add to a static segment: Picked" in page
    assert "Leaves the segment Best customers" in read(marketer, reverse("flows:list"))
    url = reverse("flows:part", args=[flow.pk, "filter"])
    assert "data-condition-builder" in read(marketer, url)
    condition = {"field": "stage", "op": "eq", "value": "loyal"}
    marketer.post(url, {"condition": json.dumps(condition)})
    draft = get_draft(flow)
    assert draft is not None
    assert draft.definition["filter"] == condition
    assert draft.definition["trigger"] == {"kind": "segment", "segment": "vip", "direction": "left"}
    Segment.objects.filter(key="vip").delete()
    assert "selected>Choose a segment" in read(marketer, f"{part}?kind=segment")


def test_a_form_reports_what_is_wrong_and_keeps_the_draft(marketer: Client) -> None:
    flow = make_draft(wait("pause", days=1))
    url = reverse("flows:step", args=[flow.pk, "pause"])
    response = marketer.post(url, {"for_days": "0", "for_hours": "0", "for_minutes": "0"})
    assert "Enter a duration from one minute to" in response.content.decode()
    draft = get_draft(flow)
    assert draft is not None
    assert draft.definition["steps"] == [wait("pause", days=1)]


def test_trigger_goal_and_reentry_are_edited(marketer: Client) -> None:
    flow = make_draft(wait("pause", days=1))
    part = reverse("flows:part", args=[flow.pk, "trigger"])
    read(marketer, f"{part}?kind=catalog")
    values = {"change": "price_drop", "percent": "15", "interest": ["viewed"], "within_days": "30"}
    marketer.post(f"{part}?kind=catalog", values)
    marketer.post(
        reverse("flows:part", args=[flow.pk, "goal"]) + "?kind=event",
        {
            "event": "order_placed",
            "where_property": ["total", ""],
            "where_op": ["at_least", "equals"],
            "where_value": ["20", ""],
        },
    )
    marketer.post(reverse("flows:part", args=[flow.pk, "reentry"]), {"rule": "after", "days": "30"})
    assert "Days until the customer can enter again" in read(marketer, reverse("flows:part", args=[flow.pk, "reentry"]))
    assert "Points expire within (days)" in read(marketer, f"{part}?kind=points_expiring")
    assert "Days after the date (negative: before)" in read(marketer, f"{part}?kind=date")
    text = read(marketer, reverse("flows:flow", args=[flow.pk]))
    assert "Price drop of at least 15" in text
    assert "Order placed (total is at least 20)" in text
    assert "again after 30 days" in text


def read_draft(flow: Flow) -> dict[str, Any]:
    draft = get_draft(flow)
    assert draft is not None
    return dict(draft.definition)


def test_exits_and_the_goal_are_added_changed_and_removed_one_by_one(marketer: Client) -> None:
    flow = make_draft(wait("pause", days=1))
    exits, remove = (reverse(f"flows:{name}", args=[flow.pk, "exits"]) for name in ("part", "remove-part"))
    loyal = {"field": "stage", "op": "in", "value": ["loyal"]}
    marketer.post(f"{exits}?kind=event", {"event": "Product Added"})
    marketer.post(f"{exits}?kind=condition", {"condition": json.dumps(loyal)})
    wrong = marketer.post(f"{exits}?kind=condition", {"condition": json.dumps({**loyal, "field": "stag"})})
    assert "stag" in wrong.content.decode()
    nobody = marketer.post(f"{exits}?kind=condition", {"condition": ""})
    assert "all customers would leave immediately" in nobody.content.decode()
    assert len(read_draft(flow)["exits"]) == 2
    assert "loyal" in read(marketer, f"{exits}?exit=1")
    marketer.post(f"{exits}?exit=0&kind=event", {"event": "Order Completed"})
    assert read_draft(flow)["exits"] == [
        {"kind": "event", "event": "Order Completed"},
        {"kind": "condition", "condition": loyal},
    ]
    marketer.post(remove, {"exit": "0"})
    marketer.post(reverse("flows:remove-part", args=[flow.pk, "goal"]))
    draft = read_draft(flow)
    assert (draft["exits"], draft["goal"]) == ([{"kind": "condition", "condition": loyal}], None)
    text = read(marketer, reverse("flows:flow", args=[flow.pk]))
    assert "Add a goal" in text
    assert "Stage is loyal" in text


def test_a_trigger_names_its_stages_and_interests_as_alternatives(marketer: Client) -> None:
    trigger: dict[str, Any] = {"kind": "stage", "to": ["at_risk", "dormant"]}
    create_flow(name="Leaving", definition={**make_definition([wait("pause", days=1)]), "trigger": trigger})
    trigger = {"kind": "catalog", "change": "back_in_stock", "interest": ["viewed", "added"], "within_days": 7}
    create_flow(name="Back", definition={**make_definition([wait("pause", days=1)]), "trigger": trigger})
    text = read(marketer, reverse("flows:list"))
    assert "The stage changes to at risk or dormant" in text
    assert "viewed it or added it" in text


def test_publishing_a_broken_draft_names_the_step_and_the_fix(marketer: Client) -> None:
    flow = make_draft(message("hello", "missing"))
    response = marketer.post(reverse("flows:state", args=[flow.pk]), {"action": "publish"}, follow=True)
    assert "Step hello, template: No template has the key missing" in response.content.decode()


def test_a_template_that_a_flow_still_sends_cannot_be_archived(marketer: Client) -> None:
    template = make_template().template
    flow = make_live_flow([wait("pause", days=1), message("hello")], name="Basket")
    draft = create_flow(name="Draft", definition=make_definition([message("hello")]))
    archive, settings = (reverse(f"message_templates:{name}", args=[template.pk]) for name in ("archive", "settings"))
    refusal = "This template is sent by the flow “Basket”."
    assert refusal in marketer.post(archive, follow=True).content.decode()
    assert refusal in read(marketer, settings)
    assert "Archive the template" not in read(marketer, settings)
    signal(make_customer().pk)
    run(NOON)
    publish_flow(flow=replace_steps(flow, [wait("pause", days=1)]), now=NOON)
    assert refusal in marketer.post(archive, follow=True).content.decode(), "a customer inside still gets the message"
    flow.entries.update(status="completed")
    assert "“hello” was archived." in marketer.post(archive, follow=True).content.decode()
    response = marketer.post(reverse("flows:state", args=[draft.pk]), {"action": "publish"}, follow=True)
    assert "The template hello is archived; unarchive it or choose another one." in response.content.decode()
    assert "“hello” was unarchived." in marketer.post(archive, follow=True).content.decode()


def replace_steps(flow: Flow, steps: list[dict[str, Any]]) -> Flow:
    save_draft(flow=flow, definition=make_definition(steps), by=None)
    return flow


def test_the_list_marks_a_live_flow_that_sends_an_archived_template(marketer: Client) -> None:
    version = make_template()
    make_live_flow([message("hello")])
    assert "a template is archived" not in read(marketer, reverse("flows:list"))
    version.template.archived_at = NOON
    version.template.save()
    assert "live, but a template is archived" in read(marketer, reverse("flows:list"))


def test_the_page_shows_who_is_at_each_step_and_saves_them_as_a_segment(marketer: Client) -> None:
    now = timezone.now()
    make_template()
    flow = make_draft(message("hello"), wait("pause", days=1))
    publish_flow(flow=flow, now=now)
    customers = [make_customer(f"user-{number}") for number in range(3)]
    for customer in customers:
        make_profile(customer)
        signal(customer.pk, at=now)
    run(now)
    text = read(marketer, reverse("flows:flow", args=[flow.pk]))
    assert "3 waiting" in text
    assert "3 passed" in text
    people = reverse("flows:people", args=[flow.pk])
    assert "user-1" in read(marketer, f"{people}?version=1&step=pause")
    assert "user-1" in read(marketer, f"{people}?version=1&step=hello&state=passed")
    deliveries = list(Delivery.objects.order_by("customer_id"))
    Delivery.objects.filter(pk=deliveries[0].pk).update(status="skipped", skip_reason="no_consent")
    Delivery.objects.filter(pk=deliveries[1].pk).update(status="failed", error="The mailbox is full")
    skipped = read(marketer, f"{people}?version=1&step=hello&state=skipped")
    assert ("user-0" in skipped, "no consent" in skipped, "user-1" in skipped) == (True, True, False)
    failed = read(marketer, f"{people}?version=1&step=hello&state=failed")
    assert ("user-1" in failed, "The mailbox is full" in failed, "user-2" in failed) == (True, True, False)
    Delivery.objects.filter(pk=deliveries[2].pk).update(status="sent", sent_at=now)
    listed = marketer.get(reverse("flows:list")).context["table"]
    assert [row[5].text for row in listed.rows] == ["1"]
    marketer.post(
        reverse("flows:save-people", args=[flow.pk]),
        {"version": 1, "step": "pause", "state": "waiting", "name": "Waiting"},
    )
    assert Segment.objects.get(name="Waiting").size == 3
    panel = read(marketer, reverse("admin:lifecycle_customer", args=[customers[0].pk]) + "?tab=messages")
    assert "Basket" in panel
    flow.entries.update(status="completed", finished_at=now)
    panel = marketer.get(
        reverse("admin:lifecycle_customer", args=[customers[0].pk]) + "?tab=messages",
        headers={"accept-language": "zh-hans"},
    )
    assert "已下单" not in panel.content.decode(), "who reaches the end of a flow has not necessarily ordered"


def test_a_flow_that_is_paused_while_its_holdout_group_is_saved_stays_paused(
    marketer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_template()
    flow = make_draft(message("hello"))
    publish_flow(flow=flow, now=timezone.now())
    find_flow = results_page.get_flow

    def find_before_pausing(*arguments: Any) -> Flow:
        found = find_flow(*arguments)
        pause_flow(flow=Flow.objects.get(pk=found.pk))
        return found

    monkeypatch.setattr(results_page, "get_flow", find_before_pausing)
    response = marketer.post(reverse("flows:results", args=[flow.pk]), {"holdout_share": "0.2", "attribution_days": 14})
    assert response.status_code == 302
    flow.refresh_from_db()
    assert (flow.status, float(flow.holdout_share), flow.attribution_days) == ("paused", 0.2, 14)


def test_in_chinese_nothing_separates_the_sentences_about_a_paused_flow(marketer: Client) -> None:
    make_template()
    flow = make_live_flow([message("hello"), wait("end", days=1)])
    signal(make_customer().pk)
    run(NOON)
    url, chinese = reverse("flows:state", args=[flow.pk]), {"accept-language": "zh-hans"}
    paused = marketer.post(url, {"action": "pause"}, follow=True, headers=chinese)
    assert "流程已暂停。1 条排队中的消息" in paused.text
    ended = marketer.post(url, {"action": "end-now"}, follow=True, headers=chinese)
    assert "。已取消 1 条排队中的消息" in ended.text


def test_a_test_run_shows_what_would_happen_with_dates(marketer: Client) -> None:
    make_template()
    make_customer("ada")
    flow = make_draft(wait("pause", days=2), message("hello"))
    url = reverse("flows:dry-run", args=[flow.pk])
    text = read(marketer, f"{url}?user_id=ada")
    assert str((timezone.localtime() + timedelta(days=2)).day) in text
    assert "Send a message: hello" in text
    assert "No customer has this user ID" in read(marketer, f"{url}?user_id=bob")
    assert flow.entries.count() == 0


def test_a_test_run_shows_which_messages_would_not_be_sent(marketer: Client) -> None:
    make_template()
    ada = make_customer("ada", email="ada@shop.example")
    flow = make_draft(message("hello"), message("order", transactional=True))
    url = f"{reverse('flows:dry-run', args=[flow.pk])}?user_id=ada"

    def read_outcomes() -> list[str]:
        return [line["outcome"] for line in marketer.get(url).context["lines"]]

    assert read_outcomes() == ["not sent: no consent", "done"]
    make_consent(ada)
    assert read_outcomes() == ["done", "done"]
    SendingSettings.objects.create(pk=1, global_holdout_share=Decimal(1))
    assert read_outcomes() == ["not sent: in the global holdout group", "done"]
    suppress_email("ada@shop.example", reason="complaint", source="test", at=NOON)
    assert read_outcomes() == ["not sent: on the suppression list"] * 2
    Flow.objects.filter(pk=flow.pk).update(holdout_share=Decimal("0.9"), salt=find_holding_salt(ada.pk))
    assert "The customer is in the holdout group of the flow." in read(marketer, url)
    assert not Assignment.objects.exists()
    assert not Delivery.objects.exists()


def find_holding_salt(customer_id: int) -> str:
    """Return a salt with which a flow with a holdout share of 0.9 holds the customer out."""
    salts = (f"salt-{number}" for number in range(100))
    return next(
        salt
        for salt in salts
        if is_held_out(salt=name_holdout_salt(salt), customer_id=customer_id, share=Decimal("0.9"))
    )


def test_an_analyst_reads_flows_and_changes_nothing(client: Client) -> None:
    user = User.objects.create_user("ana", "ana@example.org", "demo-pass-123", is_staff=True)
    user.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(user)
    flow = make_draft(wait("pause", days=1))
    text = read(client, reverse("flows:flow", args=[flow.pk]))
    assert "Publish" not in text
    assert "Add a step" not in text
    assert client.post(reverse("flows:state", args=[flow.pk]), {"action": "publish"}).status_code == 403
    assert client.get(reverse("flows:step", args=[flow.pk, "pause"])).status_code == 403
    assert client.get(reverse("flows:recipes")).status_code == 403
