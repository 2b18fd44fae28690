"""The A/B test of a campaign's messages in words and figures: its plan, its phase, its winner."""

from collections.abc import Collection, Sequence
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from config.foundation.number_formats import format_count, format_moment, format_percent
from config.foundation.slow_figures import get_figures
from recommendations.campaigns.audience import AudiencePreview
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.message_test import (
    MIN_MESSAGES,
    MessageReactions,
    MessageTestResult,
    TestProgress,
    read_progress,
)
from recommendations.measurement.presentation.formats import format_interval, format_points

Metric = Campaign.TestMetric
Outcome = CampaignRun.TestOutcome
UNFINISHED = (CampaignRun.Status.SENDING, CampaignRun.Status.PAUSED)
REACTIONS: dict[str, str | Promise] = {
    Metric.OPENS: pgettext_lazy("share of customers", "opened"),
    Metric.CLICKS: pgettext_lazy("share of customers", "clicked"),
    Metric.ORDERS: pgettext_lazy("share of customers", "ordered"),
}
OUTCOMES: dict[str, str | Promise] = {
    Outcome.A: gettext_lazy("Winner: A, %(a)s vs. %(b)s %(reaction)s"),
    Outcome.B: gettext_lazy("Winner: B, %(b)s vs. %(a)s %(reaction)s"),
    Outcome.UNCLEAR: gettext_lazy("No clear difference, %(a)s (A) and %(b)s (B) %(reaction)s: the rest gets A"),
    Outcome.TOO_FEW: gettext_lazy("Too few messages for a comparison: the rest gets A"),
}


def describe_plan(campaign: Campaign, preview: AudiencePreview | None) -> list[str]:
    """Return how many customers the test of a campaign would reach, and whether they are too few to find a winner."""
    if campaign.test_template is None or preview is None:
        return []
    half = int(preview.audience * campaign.test_share / 2)
    values = {"half": format_count(half), "rest": format_count(preview.audience - 2 * half)}
    sentences = [
        _("A/B test: A and B go to about %(half)s customers each, the winner to the other %(rest)s.") % values,
        ngettext(
            "The winner is chosen %(hours)d hour after the last message of the test.",
            "The winner is chosen %(hours)d hours after the last message of the test.",
            campaign.test_hours,
        )
        % {"hours": campaign.test_hours},
    ]
    if half < MIN_MESSAGES:
        text = _(
            "With fewer than %(min)d messages each, no winner is chosen and the rest gets A. Choose a larger test."
        )
        sentences.append(text % {"min": MIN_MESSAGES})
    return sentences


def describe_settings(campaign: Campaign) -> str:
    """Return message B and the settings of the test."""
    values = {
        "name": campaign.test_template.name if campaign.test_template else "",
        "share": format_percent(campaign.test_share),
        "hours": campaign.test_hours,
        "metric": campaign.get_test_metric_display(),
    }
    return _("B: %(name)s; %(share)s of the audience, %(hours)d h, %(metric)s") % values


def describe_tests(campaign_ids: Collection[int] | None = None) -> dict[int, str]:
    """Return the phase of the test of each campaign that has one, without a period; of all campaigns, or of some."""
    runs = CampaignRun.objects.filter(test_version__isnull=False).select_related("campaign")
    tested = list(runs if campaign_ids is None else runs.filter(campaign__in=campaign_ids))
    undecided = [run for run in tested if run.test_decided_at is None and run.status in UNFINISHED]
    progress = read_kept_progress(undecided) if undecided else {}
    return {run.campaign_id: describe_phase(run, progress.get(run.pk)) for run in tested}


def read_kept_progress(runs: Sequence[CampaignRun]) -> dict[int, TestProgress]:
    """Return the progress of tests, read some minutes ago in a large shop."""
    key = ",".join(str(run.pk) for run in runs)
    return get_figures(
        f"campaigns.tests:{key}", dict[int, TestProgress], lambda: read_progress(runs, now=timezone.now())
    )


def describe_phase(run: CampaignRun, progress: TestProgress | None) -> str:
    if run.test_decided_at is not None:
        rates = {name: format_percent(MessageReactions(**figures).rate) for name, figures in run.test_figures.items()}
        return str(OUTCOMES[run.test_outcome]) % {**rates, "reaction": REACTIONS[run.campaign.test_metric]}
    if run.status == CampaignRun.Status.CANCELED or progress is None:
        return _("Canceled during the test")
    if run.status == CampaignRun.Status.PAUSED:
        return _("Paused during the test")
    values = {"time": format_moment(progress.ends_at)}
    return (
        _("Testing until %(time)s at the earliest") if progress.is_sending else _("Testing until %(time)s")
    ) % values


def build_test_panel(campaign: Campaign, result: MessageTestResult | None) -> dict[str, Any] | None:
    """Return the phase and the figures of the test; None without one."""
    if result is None:
        return None
    is_b = result.outcome == Outcome.B
    rows = [
        (_("Test: message A"), result.a),
        (_("Test: message B"), result.b),
        (_("Rest: message B, sent later") if is_b else _("Rest: message A, sent later"), result.rest),
    ]
    return {
        "text": describe_tests([campaign.pk]).get(campaign.pk, ""),
        "reaction": _("Within %(hours)d h: %(reaction)s")
        % {"hours": result.hours, "reaction": REACTIONS[result.metric]},
        "rows": [
            {
                "label": label,
                "sent": format_count(figures.sent),
                "reacted": format_count(figures.reacted),
                "rate": format_percent(figures.rate),
            }
            for label, figures in rows
        ],
        "difference": describe_difference(result),
    }


def describe_difference(result: MessageTestResult) -> str:
    if result.difference is None:
        return ""
    values = {
        "points": format_points(result.difference.value),
        "interval": format_interval(result.difference, format_points),
    }
    return _("B − A: %(points)s percentage points (95%% interval %(interval)s)") % values
