"""Emails by day, template and origin for anomaly detection: how many were sent, bounced, or led to an unsubscription."""

from typing import Any

import pyarrow as pa
from django.db import connection
from django.utils.translation import gettext_lazy as _

from customers.analytics.expressions.tables import AnalyticsTables
from customers.anomalies.facts.base import FactDays, FactKind
from customers.anomalies.facts.reviews import build_table
from customers.anomalies.metrics import Format, Metric, MetricDimension

# Events after the day of sending do not count, so that yesterday's figures are as complete as those of earlier days.
# An email to a mailbox that the mail server refused has no time of sending: it counts on the day of the refusal.
SELECT_EMAILS = """
SELECT (moment.at AT TIME ZONE %(zone)s)::date - DATE '1970-01-01', t.name, d.origin_kind, count(*)::float8,
    (count(*) FILTER (WHERE (d.bounced_at AT TIME ZONE %(zone)s)::date = (moment.at AT TIME ZONE %(zone)s)::date))::float8,
    (count(*) FILTER (WHERE (d.unsubscribed_at AT TIME ZONE %(zone)s)::date = (moment.at AT TIME ZONE %(zone)s)::date))::float8
FROM sending_delivery d CROSS JOIN LATERAL (SELECT coalesce(d.sent_at, d.bounced_at) AS at) moment
JOIN messaging_templateversion v ON v.id = d.template_version_id JOIN messaging_messagetemplate t ON t.id = v.template_id
WHERE d.channel = 'email' AND d.origin_kind <> 'test' AND moment.at < %(as_of)s
    AND moment.at >= (%(since)s::date)::timestamp AT TIME ZONE %(zone)s
    AND moment.at < (%(until)s::date + 1)::timestamp AT TIME ZONE %(zone)s
GROUP BY 1, 2, 3
"""


def read_emails(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return the measures of sent emails."""
    values: dict[str, Any] = {"zone": str(tables.zone), "since": days.since, "until": days.until, "as_of": tables.as_of}
    with connection.cursor() as cursor:
        cursor.execute(SELECT_EMAILS, values)
        return build_table(EMAILS, cursor.fetchall())


EMAILS = FactKind(
    key="emails",
    dimensions=("template", "origin"),
    measures=("sent", "bounced", "unsubscribed"),
    feed="emails",
    read=read_emails,
)
DIMENSIONS = (MetricDimension("emails", "template"), MetricDimension("emails", "origin"))
EMAIL_METRICS = (
    Metric(
        key="bounce_rate",
        label=_("Bounce rate of emails"),
        sentence=_("The bounce rate of emails sent on %(day)s was %(value)s"),
        fact="emails",
        numerator="bounced",
        denominator="sent",
        format=Format.PERCENT,
        is_good_up=False,
        dimensions=DIMENSIONS,
    ),
    Metric(
        key="unsubscribe_rate",
        label=_("Unsubscribe rate of emails"),
        sentence=_("The unsubscribe rate of emails sent on %(day)s was %(value)s"),
        fact="emails",
        numerator="unsubscribed",
        denominator="sent",
        format=Format.PERCENT,
        is_good_up=False,
        dimensions=DIMENSIONS,
    ),
)
