"""What a campaign lacks before it can be launched."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from recommendations.campaigns.models import Campaign
from recommendations.campaigns.schedule import build_schedule, find_next_run
from recommendations.experiments.models import Experiment
from recommendations.messaging.models import MessageTemplate, TemplateVersion

EXPERIMENT_KIND = "message"  # of experiments on the messages of a campaign


@dataclass(frozen=True)
class LaunchProblem:
    """A reason why the campaign cannot be launched. field: of the campaign, which has to be changed."""

    field: str
    message: str


class LaunchError(Exception):
    """The campaign cannot be launched, or its state does not allow the change."""

    def __init__(self, problems: list[LaunchProblem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = problems


def find_published_version(campaign: Campaign) -> TemplateVersion | None:
    """Return the newest published version of the campaign's message."""
    return find_newest_version(campaign.template)


def find_newest_version(template: MessageTemplate | None) -> TemplateVersion | None:
    """Return the newest published version of a message."""
    if template is None:
        return None
    return template.versions.filter(published_at__isnull=False).order_by("-number").first()


def find_launch_problems(campaign: Campaign, *, now: datetime) -> list[LaunchProblem]:
    """Return everything that has to be changed before the launch."""
    return [*find_message_problems(campaign), *find_schedule_problems(campaign, now=now)]


def find_message_problems(campaign: Campaign) -> list[LaunchProblem]:
    if campaign.channel == Campaign.Channel.EXPORT:
        text = _("A CSV export is downloaded, not sent. Choose another channel, or download the audience.")
        return [LaunchProblem("channel", text)]
    problems = find_template_problems(campaign, campaign.template)
    problems += find_test_problems(campaign)
    if campaign.is_transactional and campaign.holdout_share:
        text = _("A transactional message goes to everyone. Set the holdout share to 0.")
        problems.append(LaunchProblem("holdout_share", text))
    return problems


def find_template_problems(campaign: Campaign, template: MessageTemplate | None) -> list[LaunchProblem]:
    """Return why the campaign cannot send a message, its own or that of an experiment."""
    if template is None:
        return [LaunchProblem("template", _("Choose a message."))]
    if template.archived_at is not None:
        return [LaunchProblem("template", _("This message is archived. Choose another one."))]
    if template.channel != campaign.channel:
        values = {"channel": template.get_channel_display(), "wanted": campaign.get_channel_display()}
        text = _(
            "This message is for the channel %(channel)s, but the campaign uses %(wanted)s. Choose another message."
        )
        return [LaunchProblem("template", text % values)]
    if find_newest_version(template) is None:
        return [LaunchProblem("template", _("This message is a draft. Publish it first."))]
    if template.is_transactional and not campaign.is_transactional:
        text = _("This message is transactional and may lack an unsubscribe link. Choose a marketing message.")
        return [LaunchProblem("template", text)]
    return []


def find_test_problems(campaign: Campaign) -> list[LaunchProblem]:
    """Return why the campaign cannot test a second message; none without a test."""
    if campaign.test_template is None:
        return []
    problems = check_test_settings(
        kind=campaign.kind,
        channel=campaign.channel,
        template=campaign.template,
        test_template=campaign.test_template,
        test_metric=campaign.test_metric,
    )
    if Experiment.objects.filter(
        kind=EXPERIMENT_KIND, subject=campaign.key, status=Experiment.Status.RUNNING, is_simulated=False
    ).exists():
        text = _("An experiment compares messages of this campaign. Stop the experiment, or remove message B.")
        problems.append(LaunchProblem("test_template", text))
    found = find_template_problems(campaign, campaign.test_template)
    return [*problems, *(LaunchProblem("test_template", problem.message) for problem in found)]


def check_test_settings(
    *,
    kind: str,
    channel: str,
    template: MessageTemplate | None,
    test_template: MessageTemplate | None,
    test_metric: str,
) -> list[LaunchProblem]:
    """Return which settings of a campaign do not allow a test; none without a second message."""
    if test_template is None:
        return []
    problems = []
    if channel == Campaign.Channel.EXPORT:
        text = _("Another system sends this campaign, so Perennial cannot test its message. Remove message B.")
        problems.append(LaunchProblem("test_template", text))
    elif kind != Campaign.Kind.ONCE:
        text = _(
            "Only a campaign that is sent once can have a test. Choose “once”, or remove message B and compare messages in an experiment."
        )
        problems.append(LaunchProblem("test_template", text))
    if template is not None and template.pk == test_template.pk:
        text = _(
            "Message B is the message of the campaign. Choose another one: copy the message and change its subject."
        )
        problems.append(LaunchProblem("test_template", text))
    if test_metric == Campaign.TestMetric.OPENS and channel not in (Campaign.Channel.EMAIL, Campaign.Channel.EXPORT):
        text = _("Opens are known for emails only. Choose clicks or customers who order.")
        problems.append(LaunchProblem("test_metric", text))
    return problems


def find_schedule_problems(campaign: Campaign, *, now: datetime) -> list[LaunchProblem]:
    if campaign.kind == Campaign.Kind.ONCE:
        if campaign.starts_at is not None and campaign.starts_at < now:
            text = _("The start is in the past. Choose a later time, or leave it empty to send immediately.")
            return [LaunchProblem("starts_at", text)]
        return []
    if campaign.frequency == Campaign.Frequency.WEEKLY and not campaign.weekdays:
        return [LaunchProblem("weekdays", _("Choose at least one day of the week."))]
    if find_next_run(build_schedule(campaign), after=now, launched_at=now) is None:
        return [LaunchProblem("ends_on", _("No run is left before the last day. Choose a later last day."))]
    return []
