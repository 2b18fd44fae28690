"""The A/B test of a campaign's messages: when it ends, and what its figures say.

A message counts with what its customer did within the hours of the test after it was sent. So every message has the same time, whenever it was
sent, and whatever happens later does not change the figures.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from config.foundation.statistics import ConfidenceInterval, compare_shares
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.sending.models import TestPart

MIN_MESSAGES = 50  # of each message, as in experiments; with fewer, a few reactions would decide
Metric = Campaign.TestMetric
Outcome = CampaignRun.TestOutcome

COUNT_REACTIONS = """
SELECT d.test_part, d.template_version_id, count(*), count(*) FILTER (WHERE {reacted})
FROM sending_delivery d
WHERE d.origin_kind = 'campaign' AND d.origin_id = %(run)s AND d.test_part IN ('test', 'rest') AND d.sent_at IS NOT NULL
GROUP BY 1, 2
"""
REACTED = {
    Metric.OPENS: "d.opened_at <= d.sent_at + %(hours)s * interval '1 hour'",  # by people; opens by machines have their own column
    Metric.CLICKS: "d.clicked_at <= d.sent_at + %(hours)s * interval '1 hour'",
    Metric.ORDERS: """EXISTS (
        SELECT FROM orders_order o
        WHERE o.customer_id = d.customer_id AND o.kind = 'sale' AND o.status <> 'cancelled'
          AND o.placed_at >= d.sent_at AND o.placed_at <= d.sent_at + %(hours)s * interval '1 hour'
    )""",
}
# A test is looked at every ten seconds for hours: each subquery reads an index that has only what it looks for.
READ_PROGRESS = """
SELECT o.id,
       EXISTS (SELECT FROM sending_delivery d WHERE d.origin_kind = 'campaign' AND d.origin_id = o.id
               AND d.test_part = 'test' AND d.status IN ('pending', 'sending')),
       (SELECT d.sent_at FROM sending_delivery d WHERE d.origin_kind = 'campaign' AND d.origin_id = o.id
        AND d.test_part = 'test' AND d.sent_at IS NOT NULL ORDER BY d.sent_at DESC LIMIT 1),
       (SELECT max(d.due_at) FROM sending_delivery d WHERE d.origin_kind = 'campaign' AND d.origin_id = o.id
        AND d.test_part = 'test' AND d.status = 'pending')
FROM unnest(%s::bigint[]) AS o (id)
"""


@dataclass(frozen=True)
class MessageReactions:
    """How many messages were sent, and how many customers reacted in time."""

    sent: int = 0
    reacted: int = 0

    @property
    def rate(self) -> float | None:
        return self.reacted / self.sent if self.sent else None


@dataclass(frozen=True)
class MessageTestResult:
    """The figures of a test. a, b: of the test, which are compared; rest: of the customers who got the winner later, which are not.

    difference: of the rates, B − A, with its 95% interval, which is for a single look; None until the test is decided, or if a message was not
    sent. outcome: empty until then.
    """

    metric: str
    hours: int
    a: MessageReactions
    b: MessageReactions
    rest: MessageReactions = field(default_factory=MessageReactions)
    difference: ConfidenceInterval | None = None
    outcome: str = ""
    decided_at: datetime | None = None


class TestProgress(NamedTuple):
    """Whether messages of a test are still to be sent, and when it ends, then at the earliest."""

    is_sending: bool
    ends_at: datetime


def read_progress(runs: Sequence[CampaignRun], *, now: datetime) -> dict[int, TestProgress]:
    """Return the progress of the tests of runs, whose campaigns are loaded, by run."""
    with connection.cursor() as cursor:
        cursor.execute(READ_PROGRESS, [[run.pk for run in runs]])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    progress = {}
    for run in runs:
        is_sending, sent_at, due_at = rows[run.pk]
        if not is_sending and sent_at is None:  # nobody could get a message of the test
            progress[run.pk] = TestProgress(False, now)
            continue
        last = max(at for at in (sent_at, due_at, now if is_sending else None) if at is not None)
        progress[run.pk] = TestProgress(is_sending, last + timedelta(hours=run.campaign.test_hours))
    return progress


def count_reactions(run: CampaignRun) -> dict[tuple[str, int], MessageReactions]:
    """Return the reactions by part of the test and version."""
    statement = COUNT_REACTIONS.format(reacted=REACTED[Metric(run.campaign.test_metric)])
    with connection.cursor() as cursor:
        cursor.execute(statement, {"run": run.pk, "hours": run.campaign.test_hours})
        return {(part, version): MessageReactions(sent, reacted) for part, version, sent, reacted in cursor.fetchall()}


def measure_test(run: CampaignRun) -> MessageTestResult:
    """Return the figures of a test so far; after the decision, those of the test are the ones that decided it."""
    assert run.test_version_id is not None
    counted = count_reactions(run)
    a = counted.get((TestPart.TEST, run.template_version_id), MessageReactions())
    b = counted.get((TestPart.TEST, run.test_version_id), MessageReactions())
    if run.test_figures:
        a, b = (MessageReactions(**run.test_figures[name]) for name in ("a", "b"))
    winner = run.test_version_id if run.test_outcome == Outcome.B else run.template_version_id
    return MessageTestResult(
        metric=run.campaign.test_metric,
        hours=run.campaign.test_hours,
        a=a,
        b=b,
        rest=counted.get((TestPart.REST, winner), MessageReactions()),
        difference=compare_rates(a, b) if run.test_decided_at is not None and a.sent and b.sent else None,
        outcome=run.test_outcome,
        decided_at=run.test_decided_at,
    )


def compare_rates(a: MessageReactions, b: MessageReactions) -> ConfidenceInterval:
    """Return the difference of the rates, B − A, with Newcombe's 95% interval."""
    return compare_shares(b.reacted, b.sent, a.reacted, a.sent)


def choose_outcome(a: MessageReactions, b: MessageReactions) -> Outcome:
    """Return the winner if the interval of the difference excludes 0; it is looked at once, when the test ends."""
    if min(a.sent, b.sent) < MIN_MESSAGES:
        return Outcome.TOO_FEW
    difference = compare_rates(a, b)
    if difference.low > 0:
        return Outcome.B
    return Outcome.A if difference.high < 0 else Outcome.UNCLEAR


def make_figures(result: MessageTestResult) -> dict[str, Any]:
    """Return what decided a test, as it is stored with the run."""
    return {"a": asdict(result.a), "b": asdict(result.b)}
