"""The nightly job: learns from past actions and stores the next best action of every customer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from psycopg import sql

from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.refresh.step_timer import StepTimer
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import count_outcomes
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.outcomes.members import Members
from recommendations.uplift.choosing import choose_actions, count_chosen, store_actions
from recommendations.uplift.kinds.action_kind import PastAction, Pool
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.models import CustomerAction, UpliftModel, UpliftSettings
from recommendations.uplift.past_customers import PastCustomers, build_samples, read_past_customers
from recommendations.uplift.scoring import ActionCandidate, list_allowed_ids, score_customers
from recommendations.uplift.training import EffectModel, Evidence, count_evidence, train_model

MAX_CANDIDATES = 8  # of each kind, the newest; each is scored for all customers
OWN_MODELS = 2  # actions of a pool with a model of their own, the newest; the others use that of the pool
MARGIN_ROWS = 20_000  # of each action: its mean margin per buyer is then known to a percent or two
MARGINS = sql.SQL("SELECT customer_id, 'all' AS member_group, since, until FROM ({members}) x")


@dataclass(frozen=True, eq=False)
class PoolModels:
    """What was learned from the actions of a pool.

    margins: per customer with an order, with what they are computed from. model: of all, None without enough evidence; own: by the row
    number of the action.
    """

    pool: Pool
    actions: Sequence[PastAction]
    margins: Sequence[tuple[float, MarginBasis]]
    evidence: Evidence
    own_evidence: Mapping[int, Evidence]
    model: EffectModel | None
    own: Mapping[int, EffectModel]


def load_uplift_settings() -> UpliftSettings:
    return UpliftSettings.objects.first() or UpliftSettings()


def refresh_actions(*, as_of: datetime) -> UpliftModel:
    """Learn, store the models' figures, and choose an action for each customer; return the model of messages.

    With too little evidence, no actions are chosen, and the model states what is missing.
    """
    timer = StepTimer()
    pools = [learn_pool(pool, as_of=as_of, timer=timer) for pool in Pool]
    if all(learned.model is None for learned in pools):
        with transaction.atomic():
            CustomerAction.objects.all().delete()
            return store_models(pools, {}, as_of=as_of)
    message_model = next(learned.model for learned in pools if learned.pool == Pool.MESSAGE)
    candidates = [candidate for learned in pools for candidate in list_candidates(learned, as_of)]
    timer.record("candidates")
    scores = score_customers(message_model, candidates, as_of=as_of)
    timer.record("score")
    choice = choose_actions(scores, settings=load_uplift_settings(), seed=as_of.toordinal())
    shared = {
        "currency": get_amount_currency(),
        "choice": dict(choice.figures),
        "is_revenue": any(basis == MarginBasis.UNKNOWN for learned in pools for _margin, basis in learned.margins),
        "actions": describe_candidates(candidates, count_chosen(choice, candidates)),
    }
    with transaction.atomic():
        store_actions(scores, choice, candidates, as_of=as_of)
        timer.record("write")
        return store_models(pools, {**shared, "seconds": dict(timer)}, as_of=as_of)


def learn_pool(pool: Pool, *, as_of: datetime, timer: StepTimer) -> PoolModels:
    """Learn from the actions of a pool; the newest ones with enough customers have a model of their own, too."""
    actions = [action for kind in KINDS.values() if kind.pool == pool for action in kind.list_past(as_of)]
    samples = build_samples(actions)
    customers = read_past_customers(samples)
    timer.record(f"{pool}_features")
    evidence = count_evidence(customers)
    if evidence.problem:
        return PoolModels(pool, actions, [], evidence, {}, None, {})
    margins = [measure_margin(sample, as_of) for action in actions for sample in build_samples([action], MARGIN_ROWS)]
    timer.record(f"{pool}_margins")
    model = train_model(customers)
    own, own_evidence = train_own_models(actions, customers)
    timer.record(f"{pool}_fit")
    return PoolModels(pool, actions, margins, evidence, own_evidence, model, own)


def train_own_models(
    actions: Sequence[PastAction], customers: PastCustomers
) -> tuple[dict[int, EffectModel], dict[int, Evidence]]:
    """Return models of the newest actions that have enough customers of their own, if there are several actions."""
    models: dict[int, EffectModel] = {}
    found: dict[int, Evidence] = {}
    for number in range(len(actions)) if len(actions) > 1 else ():
        if len(models) == OWN_MODELS:
            break
        own = customers.select(np.flatnonzero(customers.action == number))
        evidence = count_evidence(own)
        if not evidence.problem:
            models[number], found[number] = train_model(own), evidence
    return models, found


def measure_margin(members: sql.Composable, as_of: datetime) -> tuple[float, MarginBasis]:
    """Return the margin per customer with an order in the action's windows, of recipients and holdout group; 0 without orders.

    The basis says what it is computed from; without known costs it is the revenue.
    """
    outcomes = count_outcomes(Members(MARGINS.format(members=members)), as_of=as_of)
    counted = outcomes.get_group("all")
    return counted.get_sum(OutcomeColumn.MARGIN) / counted.buyers if counted.buyers else 0.0, outcomes.margin_basis


def list_candidates(learned: PoolModels, as_of: datetime) -> list[ActionCandidate]:
    """Return the newest actions of each kind that can be done now and earn a margin."""
    candidates = []
    if learned.model is None:
        return []
    left = dict.fromkeys(KINDS, MAX_CANDIDATES)
    for number, action in enumerate(learned.actions):
        margin, _basis = learned.margins[number]
        if left[action.kind] and margin > 0:
            allowed = list_allowed_ids(action, as_of)
            if allowed is not None:
                model = learned.own.get(number, learned.model)
                candidates.append(ActionCandidate(action, model, margin, allowed))
                left[action.kind] -= 1
    return candidates


def describe_candidates(candidates: Sequence[ActionCandidate], chosen: Sequence[int]) -> list[dict[str, Any]]:
    """Return what was compared, as JSON. possible: customers who could get it; chosen: for how many it is the next action."""
    return [
        {
            "kind": candidate.action.kind,
            "key": candidate.action.key,
            "possible": len(candidate.allowed),
            "chosen": number,
            "margin": round(candidate.margin, 2),
        }
        for candidate, number in zip(candidates, chosen, strict=True)
    ]


def store_models(pools: Sequence[PoolModels], shared: Mapping[str, Any], *, as_of: datetime) -> UpliftModel:
    """Replace the stored figures; return those of messages, which also have the figures of the choice."""
    rows = []
    for learned in pools:
        figures = {**build_figures(learned.model, learned.evidence), **(shared if learned.pool == Pool.MESSAGE else {})}
        rows.append(
            UpliftModel(pool=learned.pool, problem=learned.evidence.problem, figures=figures, computed_at=as_of)
        )
        for number, model in learned.own.items():
            action = learned.actions[number]
            own = build_figures(model, learned.own_evidence[number])
            rows.append(
                UpliftModel(pool=learned.pool, kind=action.kind, key=action.key, figures=own, computed_at=as_of)
            )
    with transaction.atomic():
        UpliftModel.objects.all().delete()
        UpliftModel.objects.bulk_create(rows)
    return next(row for row in rows if row.pool == Pool.MESSAGE and not row.key)


def build_figures(model: EffectModel | None, evidence: Evidence) -> dict[str, Any]:
    learned = {} if model is None else {**model.figures, "groups": [asdict(group) for group in model.groups]}
    return {**learned, "evidence": asdict(evidence)}
