"""Lets experiments vary which message the recipients of a campaign get."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import EmptyResultSet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql

from config.foundation.ttl_cache import TtlCache
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.audience import query_reasons
from recommendations.campaigns.launch.message_variants import (
    KIND,
    TEMPLATE,
    MessageVariantError,
    find_variant_versions,
)
from recommendations.campaigns.models import Campaign
from recommendations.experiments.clicks import count_clicks_by_variant
from recommendations.experiments.editing import ExperimentNotReadyError
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.planning import GROUP
from recommendations.experiments.subjects import Config, ExperimentSubject, register_subject
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.messaging.models import MessageTemplate

OVER = (Campaign.Status.ENDED, Campaign.Status.CANCELED)

NOBODY = sql.SQL("SELECT NULL::bigint AS customer_id, '' AS member_group, now() AS since, now() AS until WHERE false")
AUDIENCE = sql.SQL(
    "SELECT a.id AS customer_id, %(group)s AS member_group, %(since)s::timestamptz AS since, %(until)s::timestamptz AS until "
    "FROM ({audience}) AS a (id)"
)
CLICKED = sql.SQL("""
SELECT d.customer_id::text AS person, d.clicked_at AS at
FROM sending_delivery d JOIN campaigns_campaignrun r ON r.id = d.origin_id JOIN campaigns_campaign c ON c.id = r.campaign_id
WHERE d.origin_kind = 'campaign' AND c.key = %(campaign)s AND d.clicked_at >= %(since)s AND d.clicked_at < %(until)s
""")


def register_message_experiments() -> None:
    """Register the messages of campaigns as something that experiments can vary."""
    register_subject(MESSAGE_SUBJECT)


class MessageVariantForm(forms.Form):
    """Which published message the recipients of a variant get."""

    template = forms.ChoiceField(
        label=gettext_lazy("Message"),
        required=False,
        help_text=gettext_lazy("Published messages of the same channel. Each run sends the newest published version."),
    )

    def __init__(self, key: str, data: Mapping[str, Any] | None, config: Config, prefix: str) -> None:
        super().__init__(data, prefix=prefix, initial=dict(config))
        self.fields[TEMPLATE].choices = [("", "–"), *list_messages(key)]  # type: ignore[attr-defined]


def find_campaign(key: str) -> Campaign | None:
    return Campaign.objects.filter(key=key).select_related("segment", "template").first()


def list_campaigns() -> Sequence[tuple[str, str]]:
    """Return the campaigns that send messages and may have further runs."""
    sending = Campaign.objects.filter(template__isnull=False).exclude(channel=Campaign.Channel.EXPORT)
    return list(sending.exclude(status__in=OVER).order_by("name", "key").values_list("key", "name"))


def find_campaign_name(key: str) -> str | None:
    """Return the name of a campaign, for lists of experiments; at most five seconds old."""
    campaigns = Campaign.objects.order_by()
    return (_names.get("") or {}).get(key) or campaigns.filter(key=key).values_list("name", flat=True).first()


def _load_names(_key: str) -> dict[str, str]:
    varied = Experiment.objects.filter(kind=KIND).order_by().values("subject")
    return dict(Campaign.objects.filter(key__in=varied).order_by().values_list("key", "name"))


_names = TtlCache(_load_names)


def list_messages(key: str) -> list[tuple[str, str]]:
    """Return the published messages that a campaign could send instead of its own."""
    campaign = find_campaign(key)
    if campaign is None or campaign.template_id is None:
        return []
    templates = MessageTemplate.objects.filter(
        channel=campaign.channel, archived_at=None, versions__published_at__isnull=False
    ).exclude(pk=campaign.template_id)
    if not campaign.is_transactional:
        templates = templates.filter(is_transactional=False)
    return list(templates.distinct().order_by("name", "key").values_list("key", "name"))


def build_message_form(key: str, data: Mapping[str, Any] | None, config: Config, prefix: str) -> MessageVariantForm:
    return MessageVariantForm(key, data, config, prefix)


def read_message_config(_key: str, form: forms.BaseForm) -> dict[str, Any]:
    chosen = form.cleaned_data[TEMPLATE]
    return {TEMPLATE: chosen} if chosen else {}


def describe_message_config(config: Config) -> list[tuple[str, str]]:
    key = config.get(TEMPLATE, "")
    name = MessageTemplate.objects.filter(key=key).values_list("name", flat=True).first()
    return [(_("Message"), name or key)] if key else []


def find_message_problem(experiment: Experiment, variants: Sequence[Variant]) -> str | Promise:
    """Return why an experiment cannot start; empty if it can."""
    if experiment.unit != Experiment.Unit.CUSTOMER:
        return _("Messages are sent to customers. Create an experiment with “customer” as its unit.")
    campaign = find_campaign(experiment.subject)
    assert campaign is not None
    if campaign.test_template_id is not None:
        return _(
            "The campaign has an A/B test of its own. Remove message B from the campaign, or delete this experiment."
        )
    try:
        find_variant_versions(campaign, list(variants))
    except MessageVariantError as error:
        return str(error)
    return ""


def promote_message(key: str, config: Config) -> dict[str, Any]:
    """Make the message of a variant that of the later runs; return the one before."""
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("template").filter(key=key).first()
    if campaign is None or campaign.status in OVER:
        raise ExperimentNotReadyError(_("This campaign has no further runs, so no message can be promoted."))
    try:
        find_variant_versions(campaign, [Variant(pk=0, name=_("The message"), config=dict(config))])
    except MessageVariantError as error:
        raise ExperimentNotReadyError(str(error)) from error
    replaced = {TEMPLATE: campaign.template.key if campaign.template is not None else ""}
    write_template(campaign, config)
    return replaced


def restore_message(key: str, replaced: Config) -> None:
    """Make the message from before a promotion that of the later runs again, if both still exist."""
    campaign = Campaign.objects.select_for_update().filter(key=key).first()
    if campaign is not None:
        write_template(campaign, replaced)


def write_template(campaign: Campaign, config: Config) -> None:
    template = MessageTemplate.objects.filter(key=config[TEMPLATE]).first()
    if template is not None:
        campaign.template = template
        campaign.save(update_fields=["template"])


def find_audience(key: str, _unit: str, since: datetime, until: datetime) -> Members:
    """Return the present recipients of the campaign, as if a run had started at the beginning of a period."""
    campaign = find_campaign(key)
    if campaign is None:
        return Members(NOBODY)
    try:
        rows = query_reasons(campaign, until).filter(reason="", is_held_out=False).order_by().values_list("pk")
        statement, values = rows.query.sql_with_params()
    except (ConditionError, EmptyResultSet):
        return Members(NOBODY)
    names = [f"audience_{number}" for number in range(len(values))]
    audience = statement.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)
    parameters = {"group": GROUP, "since": since, "until": until, **dict(zip(names, values, strict=True))}
    return Members(AUDIENCE.format(audience=sql.SQL(audience)), parameters)


def count_clicked_messages(experiment: Experiment, as_of: datetime) -> Mapping[str, GroupMoments]:
    """Return the moments of the clicked messages per customer, by variant."""
    return count_clicks_by_variant(experiment, CLICKED, {"campaign": experiment.subject}, as_of=as_of)


MESSAGE_SUBJECT = ExperimentSubject(
    kind=KIND,
    label=gettext_lazy("Message of a campaign"),
    help_text=gettext_lazy(
        "Compare messages among the recipients of one campaign. Start the experiment before the run."
    ),
    list_choices=list_campaigns,
    build_form=build_message_form,
    read_config=read_message_config,
    describe_config=describe_message_config,
    find_problem=find_message_problem,
    promote=promote_message,
    restore=restore_message,
    permission="campaigns.change_campaign",
    scope="campaigns:write",
    needs_permission_to_start=True,
    find_name=find_campaign_name,
    find_traffic=find_audience,
    list_scenarios=lambda _key: (),
    count_clicks=count_clicked_messages,
)
