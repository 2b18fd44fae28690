"""The next best action of a customer in words, for the page, the panel and REST."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_count
from recommendations.uplift.kinds.action_kind import ActionTarget, Pool
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.models import NO_ACTION_KIND, CustomerAction, UpliftModel
from recommendations.uplift.training import MIN_CUSTOMERS, MIN_ORDERS

NO_EVIDENCE = "not_enough_evidence"
REASONS: Mapping[str, str | Promise] = {
    "largest_increment": gettext_lazy("Of all actions available for this customer, this one adds the most margin."),
    "largest_increment_offer": gettext_lazy(
        "Of all actions available for this customer, this one adds the most margin. It needs a visit, but no message."
    ),
    "explored": gettext_lazy("Chosen at random, so that later estimates stay unbiased."),
    "no_action": gettext_lazy(
        "None of the campaigns, flows and offers is available for this customer: not in their segments, not reachable, or no consent."
    ),
    "lowers_orders": gettext_lazy("Customers like this one order less after a message."),
    "negative_estimate": gettext_lazy("The estimated effect is negative, but not statistically certain."),
    "below_cost": gettext_lazy("The additional margin does not cover the cost of a contact."),
    "displaced": gettext_lazy("Left out in favor of the random share, so that later estimates stay unbiased."),
    "over_budget": gettext_lazy("Other customers use up the budget or the number of contacts."),
    NO_EVIDENCE: gettext_lazy("There is too little evidence from past campaigns, flows and offers."),
}


@dataclass(frozen=True)
class NextAction:
    """The next best action of one customer; kind is None without evidence.

    missing: what the evidence lacks. is_computed: whether a refresh has looked for evidence for this customer. is_revenue: whether the
    margin is the whole revenue, because too few costs are known.
    """

    kind: str | None
    target: ActionTarget | None
    expected_margin: float | None
    low: float | None
    high: float | None
    effect: float | None
    message_effect: str
    reasons: list[str]
    is_explored: bool
    computed_at: datetime | None
    currency: str
    missing: str
    is_computed: bool = True
    is_revenue: bool = False


def find_next_action(customer_id: int) -> NextAction:
    """Return the action of the last refresh, or what is missing to choose one."""
    model = load_model(Pool.MESSAGE)
    action = CustomerAction.objects.filter(customer_id=customer_id).first()
    computed_at = model.computed_at if model else None
    currency = str(model.figures.get("currency", "")) if model else ""
    if action is None:
        missing = describe_problem(model) or str(_("The customer is newer than the last refresh."))
        is_computed = model is not None and bool(model.problem)
        return NextAction(
            None, None, None, None, None, None, "", [NO_EVIDENCE], False, computed_at, currency, missing, is_computed
        )
    kind = KINDS.get(action.kind)
    target = kind.find_target(action.key) if kind else None
    return NextAction(
        action.kind,
        target or (ActionTarget(0, action.key, action.key) if kind else None),
        action.expected_margin,
        action.low,
        action.high,
        action.effect,
        action.message_effect,
        action.reasons,
        action.is_explored,
        computed_at or action.computed_at,  # each refresh confirms the rows that it leaves as they are
        currency,
        "",
        is_revenue=model is not None and bool(model.figures.get("is_revenue")),
    )


def load_model(pool: Pool) -> UpliftModel | None:
    """Return what was learned from all actions of a pool."""
    return UpliftModel.objects.filter(pool=pool, key="").first()


def describe_action(action: NextAction) -> str:
    """Return what to do, as a short sentence."""
    if action.kind is None:
        return _("Not enough evidence") if action.is_computed else _("Not computed yet")
    if action.kind == NO_ACTION_KIND or action.target is None:
        return _("Do nothing for this customer now.")
    return str(KINDS[action.kind].instruction) % {"name": action.target.name}


def describe_reasons(action: NextAction) -> list[str]:
    return [str(REASONS[code]) for code in action.reasons if code in REASONS]


def describe_problem(model: UpliftModel | None) -> str:
    """Return which evidence is missing for learning, with the numbers; empty if there is enough."""
    if model is None:
        return _("Nothing has been computed yet. The job runs every night.")
    evidence: Mapping[str, Any] = model.figures.get("evidence", {})
    numbers = {
        name: format_count(evidence.get(name, 0)) for name in ("treated", "held_out", "ordered", "held_out_ordered")
    }
    match model.problem:
        case "no_actions":
            return _(
                "No finished campaign, and no flow that starts from a segment, stage or score, had a holdout group whose "
                "attribution window is over. Send a campaign with a holdout share, and wait until its window ends."
            )
        case "few_customers":
            return _(
                "Past campaigns and flows with a holdout group reached %(treated)s recipients and held out %(held_out)s customers; "
                "%(needed)s of each are needed."
            ) % {**numbers, "needed": format_count(MIN_CUSTOMERS)}
        case "few_orders":
            return _(
                "After past campaigns and flows, %(ordered)s recipients and %(held_out_ordered)s customers of the holdout groups "
                "ordered; %(needed)s of each are needed."
            ) % {**numbers, "needed": format_count(MIN_ORDERS)}
    return ""
