"""AIPL (认知、兴趣、购买、忠诚): the four groups of Chinese marketing as unions of lifecycle stages; counts and flows, as plain values.

Awareness is visitors, interest is prospects, purchase is customers with an order who are neither loyal nor churned, and loyalty is loyal
customers. Churned customers are outside of AIPL, because Alibaba's groups also drop buyers after some time: there after 540 days, here by
the stage rules.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import pgettext_lazy

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile, Stage
from customers.lifecycle.stages.flows import STAGES_AT_BOTH_MOMENTS, validate_range


class AiplGroup(models.TextChoices):
    """The four groups, and those outside of them."""

    AWARENESS = "awareness", pgettext_lazy("AIPL", "Awareness")
    INTEREST = "interest", pgettext_lazy("AIPL", "Interest")
    PURCHASE = "purchase", pgettext_lazy("AIPL", "Purchase")
    LOYALTY = "loyalty", pgettext_lazy("AIPL", "Loyalty")
    OUTSIDE = "outside", pgettext_lazy("AIPL", "Outside (churned)")


STAGES_BY_GROUP: Mapping[AiplGroup, tuple[Stage, ...]] = {
    AiplGroup.AWARENESS: (Stage.VISITOR,),
    AiplGroup.INTEREST: (Stage.PROSPECT,),
    AiplGroup.PURCHASE: (Stage.NEW, Stage.ACTIVE, Stage.REACTIVATED, Stage.AT_RISK, Stage.DORMANT),
    AiplGroup.LOYALTY: (Stage.LOYAL,),
    AiplGroup.OUTSIDE: (Stage.CHURNED,),
}
GROUP_BY_STAGE: Mapping[str, str] = {
    "": "",
    **{stage.value: group.value for group, stages in STAGES_BY_GROUP.items() for stage in stages},
}
MEMBERS = tuple(group for group in AiplGroup if group is not AiplGroup.OUTSIDE)

COUNT_FLOWS = f"""
    SELECT from_stage, to_stage, count(*) FROM ({STAGES_AT_BOTH_MOMENTS}) AS state
    WHERE to_stage <> '' AND {{within}} GROUP BY from_stage, to_stage
"""  # noqa: S608
SELECT_CUSTOMERS = f"""
    SELECT customer_id FROM ({STAGES_AT_BOTH_MOMENTS}) AS state
    WHERE from_stage = ANY(%s) AND to_stage = ANY(%s) AND to_stage <> ''
"""  # noqa: S608
COUNT_CURRENT = "SELECT stage, count(*) FROM lifecycle_customerprofile WHERE {within} GROUP BY stage"
# the changes between consecutive moments; the last bucket has those after the last moment
COUNT_CHANGES = """
    SELECT width_bucket(at, %s::timestamptz[]) AS bucket, from_stage, to_stage, count(*)
    FROM lifecycle_stagetransition WHERE at >= %s AND {within} GROUP BY bucket, from_stage, to_stage
"""

type GroupFlows = dict[tuple[str, str], int]


def count_aipl_flows(*, since: datetime, until: datetime, within: QuerySet[Customer] | None = None) -> GroupFlows:
    """Return the customers by AIPL group before ``since`` and before ``until``; "" are those who were not known before.

    within: counts only these customers. Errors: ValueError when ``until`` is before ``since``.
    """
    validate_range(since, until)
    statement, parameters = build_filter(within)
    flows: GroupFlows = {}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_FLOWS.replace("{within}", statement), [until, since, *parameters])
        for old, new, customers in cursor.fetchall():
            pair = (GROUP_BY_STAGE[old], GROUP_BY_STAGE[new])
            flows[pair] = flows.get(pair, 0) + customers
    return flows


def count_aipl_history(
    *, moments: Sequence[datetime], within: QuerySet[Customer] | None = None
) -> list[dict[AiplGroup, int]]:
    """Return the customers of each group just before each moment, ascending: the current ones with the changes since then undone."""
    statement, parameters = build_filter(within)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_CURRENT.replace("{within}", statement), parameters)
        counts = dict.fromkeys(AiplGroup, 0)
        for stage, customers in cursor.fetchall():
            counts[AiplGroup(GROUP_BY_STAGE[stage])] += customers
        cursor.execute(COUNT_CHANGES.replace("{within}", statement), [list(moments), min(moments), *parameters])
        changes = cursor.fetchall()
    history: list[dict[AiplGroup, int]] = []
    for position in range(len(moments), 0, -1):
        for bucket, old, new, customers in changes:
            if bucket == position:
                counts[AiplGroup(GROUP_BY_STAGE[new])] -= customers
                if old:
                    counts[AiplGroup(GROUP_BY_STAGE[old])] += customers
        history.append(dict(counts))
    return history[::-1]


def build_filter(within: QuerySet[Customer] | None) -> tuple[str, tuple[Any, ...]]:
    """Return a condition on customer_id with its parameters."""
    if within is None:
        return "true", ()
    statement, parameters = within.order_by().values("pk").query.sql_with_params()
    return f"customer_id IN ({statement})", tuple(parameters)


def find_customers_in_aipl_flow(
    *, since: datetime, until: datetime, old: Sequence[str], new: Sequence[str]
) -> QuerySet[CustomerProfile]:
    """Return the profiles that were in one of the stages ``old`` before ``since`` and are in one of ``new`` before ``until``."""
    validate_range(since, until)
    customer_ids = RawSQL(SELECT_CUSTOMERS, [until, since, list(old), list(new)])  # noqa: S611
    return CustomerProfile.objects.filter(pk__in=customer_ids)
