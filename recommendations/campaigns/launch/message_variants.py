"""Which message each recipient of a run gets while an experiment compares messages of the campaign.

Everyone who gets a message of the run is assigned by a salted hash of the customer, in the transaction of the run, and is exposed whether or
not the message arrives. Customers assigned in an earlier run keep their variant, even in a bandit, whose shares change, and after merges.
"""

from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from recommendations.campaigns.launch.frozen_audience import TABLE
from recommendations.campaigns.launch.readiness import EXPERIMENT_KIND as KIND
from recommendations.campaigns.launch.readiness import find_newest_version, find_template_problems
from recommendations.campaigns.models import Campaign, CampaignSettings
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.running import compile_experiment
from recommendations.measurement.assignment import BUCKET_SQL
from recommendations.messaging.models import MessageTemplate
from recommendations.sending.queue import MessageVariants

TEMPLATE = "template"

RECORD = f"""
INSERT INTO experiments_experimentexposure (experiment_id, variant_id, unit_key, customer_id, exposed_at, propensity)
SELECT %(experiment)s, (%(variants)s::bigint[])[position], 'customer_id:' || id, id, %(at)s, (%(propensities)s::float8[])[position]
FROM (
    SELECT a.id, width_bucket({BUCKET_SQL % {"expressions": "%(salt)s::text || ':' || a.id"}}, %(firsts)s::bigint[]) AS position
    FROM {TABLE} a
    WHERE a.reason = '' AND NOT a.is_held_out AND NOT EXISTS (
        SELECT FROM experiments_experimentexposure known WHERE known.experiment_id = %(experiment)s AND known.customer_id = a.id
    )
) AS assigned
ON CONFLICT (experiment_id, unit_key) DO NOTHING
"""  # noqa: S608 — constants


class MessageVariantError(Exception):
    """A message of the experiment cannot be sent; the message says why."""


def find_message_experiment(campaign: Campaign) -> Experiment | None:
    """Return the running experiment on the messages of a campaign."""
    return Experiment.objects.filter(
        kind=KIND, subject=campaign.key, status=Experiment.Status.RUNNING, is_simulated=False
    ).first()


def find_variant_versions(campaign: Campaign, variants: list[Variant]) -> dict[int, int]:
    """Return the newest published version that each variant sends, by the numbers of the variants besides the control.

    Raises:
        MessageVariantError: a message cannot be sent, or needs an approval that only the campaign's own message has.
    """
    if CampaignSettings.objects.filter(requires_approval=True).exists():
        raise MessageVariantError(
            _("Messages require approval by a second person, so an experiment cannot send other messages.")
        )
    versions = {}
    for variant in variants:
        if variant.is_control:
            continue
        template = MessageTemplate.objects.filter(key=variant.config.get(TEMPLATE, "")).first()
        problems = find_template_problems(campaign, template)
        version = find_newest_version(template)
        if problems or version is None:
            values = {"variant": variant.name, "problem": " ".join(problem.message for problem in problems)}
            raise MessageVariantError(_("“%(variant)s” of the experiment: %(problem)s") % values)
        versions[variant.pk] = version.pk
    return versions


def expose_audience(campaign: Campaign, *, at: datetime) -> MessageVariants | None:
    """Assign the recipients of the frozen audience who have no variant yet; None without a running experiment.

    Raises:
        MessageVariantError: a message of the experiment cannot be sent.
    """
    experiment = find_message_experiment(campaign)
    if experiment is None:
        return None
    versions = find_variant_versions(campaign, list(experiment.variants.all()))
    variants = compile_experiment(experiment).variants
    values: dict[str, Any] = {
        "experiment": experiment.pk,
        "salt": experiment.salt,
        "at": at,
        "variants": [variant.id for variant in variants],
        "firsts": [variant.first_bucket for variant in variants],
        "propensities": [variant.propensity for variant in variants],
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)
    return MessageVariants(experiment.pk, versions)
