"""Metrics of messages: how many were sent in the period of the question, and the shares that were opened and clicked."""

from collections.abc import Callable
from typing import Any

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.assistant.caller import AssistantCaller
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric, Unit
from config.assistant.metrics.synonyms import make_synonyms
from config.foundation.backoffice.date_range import DayRange
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.sending.models import Delivery

type Counts = dict[str, int]
type ReadValue = Callable[[Counts], float | None]


def make_message_metric(key: str, read: ReadValue, *, is_share: bool, **fields: Any) -> NamedMetric:
    """Return a metric of the messages that were sent in the days, with their opens and clicks until now."""

    def compute(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
        return count_messages(query, read, is_share=is_share)

    return NamedMetric(
        key=key,
        compute=compute,
        unit=Unit.SHARE if is_share else Unit.COUNT,
        scope="campaigns:read",
        groupings=("campaign", "channel"),
        **fields,
    )


def count_messages(query: MetricQuery, read: ReadValue, *, is_share: bool) -> MetricAnswer:
    """Return the figure of all messages, or by campaign or channel, those with most messages first."""
    days = DayRange(query.since, query.until)
    sent = Delivery.objects.exclude(origin_kind=Delivery.Kind.TEST)
    groups = list_groups(sent.filter(sent_at__gte=days.start, sent_at__lt=days.end), query.group_by)
    groups.sort(key=lambda group: -group[1]["sent"])
    return MetricAnswer(
        rows=tuple(
            MetricRow(value=read(counts), label=label, people=counts["sent"] if is_share else None)
            for label, counts in groups[: query.limit]
        ),
        as_of=timezone.now(),
        path=reverse("admin:campaigns_campaign_changelist"),
        query={"name": "deliveries", "parameters": query.to_parameters()},
        notes=tuple(list_notes(is_share=is_share)),
    )


def list_groups(sent: QuerySet[Delivery], group_by: str) -> list[tuple[str, Counts]]:
    """Return the name and the counts of each group; one without a name if there is no grouping."""
    figures = {"sent": Count("pk"), "opened": Count("opened_at"), "clicked": Count("clicked_at")}
    if not group_by:
        return [("", sent.aggregate(**figures))]
    rows: Any
    if group_by == "channel":
        labels = {value: str(label) for value, label in Campaign.Channel.choices}
        rows = sent.order_by().values("channel").annotate(**figures)
        return [(labels.get(row["channel"], row["channel"]), row) for row in rows]
    runs = dict(CampaignRun.objects.values_list("pk", "campaign__name"))
    totals: dict[str, Counts] = {}
    rows = sent.order_by().values("origin_kind", "origin_id").annotate(**figures)
    for row in rows:
        is_campaign = row["origin_kind"] == Delivery.Kind.CAMPAIGN
        label = runs.get(row["origin_id"]) if is_campaign else _("Flows and other messages")
        total = totals.setdefault(label or _("Deleted campaigns"), dict.fromkeys(figures, 0))
        for name in figures:
            total[name] += row[name]
    return list(totals.items())


def divide_by_sent(name: str) -> ReadValue:
    return lambda counts: counts[name] / counts["sent"] if counts["sent"] else None


def list_notes(*, is_share: bool) -> list[str]:
    """Return what a reader must know about opens and clicks."""
    if not is_share:
        return []
    return [
        _("Messages sent in this period that have been opened or clicked so far, excluding opens by machines."),
        _("The incremental lift of a campaign is on its own page, measured against its holdout group."),
    ]


METRICS = (
    make_message_metric(
        "messages_sent",
        lambda counts: counts["sent"],
        is_share=False,
        label=gettext_lazy("Messages sent"),
        description=gettext_lazy("Campaign and flow messages sent in the period, excluding test messages."),
        synonyms=make_synonyms(
            "messages sent,emails sent,mails sent,messages,emails,campaigns sent",
            "发送量,消息数,邮件数,发送消息,触达量",
        ),
    ),
    make_message_metric(
        "open_rate",
        divide_by_sent("opened"),
        is_share=True,
        label=gettext_lazy("Open rate"),
        description=gettext_lazy("The share of messages sent in the period that customers opened."),
        synonyms=make_synonyms("open rate,opens,opened", "打开率,邮件打开率"),
    ),
    make_message_metric(
        "click_rate",
        divide_by_sent("clicked"),
        is_share=True,
        label=gettext_lazy("Message click rate"),
        description=gettext_lazy("The share of messages sent in the period in which customers clicked a link."),
        synonyms=make_synonyms(
            "click rate,message click rate,email click rate,campaign results,campaign performance,clicks,ctr",
            "点击率,邮件点击率,消息点击率,活动效果,营销效果",
        ),
    ),
)
