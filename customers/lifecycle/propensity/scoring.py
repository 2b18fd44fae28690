"""How likely everybody leaves or buys, and of what: learnt on some customers once a week, told of everybody every night.

The card of churn, purchase_7, purchase_30 and purchase_90. algorithm: the candidate that serves (`competition.CANDIDATES`; "buying" is
the buying process), empty where nothing can be said. reason: why nothing could be learnt, so that the buying process alone says it,
or nobody does. parameters: propensity (`Propensity.to_saved`), horizon_days, given (whether the buying process' probability is the last
column), learnt_at, orders (of the shop then), shop_gap_days (as of the run). figures, plain JSON:

horizon_days, rate (share of the rows learnt from that came true), customers, positives, negatives (different customers of them),
learnt_at, kept (whether an earlier run has learnt it). Where it was learnt besides:
winner, why (best_candidate or simple_not_beaten), judged_by (time: a later moment; customers: others of the same moments), judged_rows,
judged_rate, baseline (name of the better simple candidate), candidates: [{name, brier, auc, said, brier_gain, auc_gain}], both gains over
the baseline as [gain, low, high] of 95 % or null, see `Judged`; quality: of the winner on what was held out, calibrated on other
customers of it, {customers, positives, rate, said, auc, brier, skill, calibration_error, lift: [10, highest scores first] or null,
curve: {said, happened, low, high, customers: [lowest scores first]}}, see `Quality`; rules: of a decision tree, the most probable first,
[{conditions: [{feature, operator, value}], share, probability}].
drift: customers of today beside those of the newest earlier model, or null: {learnt_at, customers, score, score_level, features: [{feature,
index, level}, the largest first]}, population stability indices with none, slight, large as levels.
looking_back: [{as_of, days, algorithm, low, high and all of quality}], see `look_back_on_propensities`.

The card of next_category. parameters: categories, popularity, half_life_days, prior. figures: judged: {history, last, popularity:
{customers, hit_1, hit_3, log_likelihood}} on the last fifth of the time, empty where nobody ordered in it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.clv.scoring import FALLBACK
from customers.lifecycle.facts.histories import microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.propensity.models import (
    BUYING,
    KINDS,
    RELEARNT_AFTER,
    Served,
    earlier_cards,
    load,
    load_all,
    orders_from,
    snapshot_of,
    told,
)
from customers.lifecycle.propensity.monitoring import drift_of, look_back_on_propensities
from customers.lifecycle.propensity.next_category import category_card, category_scores
from customers.lifecycle.refresh.score_columns import Scores, joined
from customers.lifecycle.refresh.step_timer import Seconds
from customers.lifecycle.scoring.clv import load_fit
from customers.lifecycle.scoring.propensity.features.event_facts import Orders
from customers.lifecycle.scoring.propensity.features.labels import PURCHASE_DAYS, Target, churn_target
from customers.lifecycle.scoring.propensity.features.snapshots import GIVEN, BuyingColumns, Snapshot
from customers.lifecycle.scoring.propensity.model_selection import SIMPLE
from customers.lifecycle.scoring.propensity.models.serialization import to_bytes
from customers.lifecycle.scoring.propensity.target_training import learn_target, plan_of
from customers.lifecycle.scoring.propensity.training import LEARNT, Propensity
from customers.lifecycle.scoring.stages.derivation import Histories

SEED = 1
LEARNT_CUSTOMERS, LEARNT_ROWS = 20_000, 8_000
CHANGED = 1.25  # times as many orders of the time before as when it was learnt, or as few
RULES = 6
BLOCK = 65_536
THREADS = 2


def foretell_everybody(
    *, histories: Histories, as_of: datetime, run: LifecycleRun, buying: ScoreModel, seconds: Seconds
) -> Scores:
    """Propensities and next category of everybody who ordered. buying: the card of the process that was fitted to all of them.

    seconds: is told how long learning with its figures took, and scoring.
    """
    orders, moment = orders_from(histories), microseconds(as_of)
    everybody = Snapshot(orders=orders, as_of=moment, fit=load_fit(buying.parameters))
    some = orders.taken(drawn(everybody.buyers))
    today = Snapshot(orders=some, as_of=moment, fit=everybody.fit, shop_gap_days=everybody.shop_gap_days)
    earlier = earlier_cards(as_of)
    found = kept_models(earlier, orders=orders, today=today, as_of=as_of)
    found |= learnt_models(
        [kind for kind in KINDS if kind not in found],
        process=buying.algorithm or FALLBACK,
        orders=orders,
        today=today,
        as_of=as_of,
    )
    back = look_back_on_propensities(orders=some, as_of=as_of)
    for kind, (card, _served) in found.items():
        own = [one for one in earlier if one.kind == kind]
        card.parameters["shop_gap_days"] = everybody.shop_gap_days
        card.figures |= {"drift": drift_of(own, today=today, as_of=as_of), "looking_back": back[kind]}
    category = category_card(orders=some, names=histories.categories, as_of=moment, seed=SEED)
    cards = [*(found[kind][0] for kind in KINDS), category]
    for card in cards:
        card.run = run
    seconds.end("learn")
    scores = foretold(everybody, histories, {kind: found[kind][1] for kind in KINDS}, category)
    seconds.end("propensities")
    return replace(scores, cards=cards)


def foretell_some(*, histories: Histories, as_of: datetime, cards: Mapping[str, ScoreModel]) -> Scores:
    """The same of some customers by what the newest refresh has learnt. cards: of all kinds."""
    snapshot = snapshot_of(orders=orders_from(histories), as_of=as_of, cards=cards)
    return foretold(snapshot, histories, load_all(cards), cards[ScoreModel.Kind.NEXT_CATEGORY])


def foretold(snapshot: Snapshot, histories: Histories, served: Mapping[str, Served], category: ScoreModel) -> Scores:
    """Of everybody in the histories who ordered."""
    rows = snapshot.buyers
    columns: dict[str, Floats | Ints] = {kind: np.empty(len(rows)) for kind in served}
    for one in served.values():  # before the threads ask for them
        snapshot.chance(one.target)
        snapshot.is_about(one.target)

    def tell(low: int) -> None:
        for kind, values in told(snapshot, served, rows[low : low + BLOCK]).items():
            columns[kind][low : low + BLOCK] = values

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(tell, range(0, len(rows), BLOCK)))
    customer = histories.customer[rows]
    names = histories.categories
    found = category_scores(
        card=category, orders=snapshot.orders, names=names, as_of=snapshot.as_of, rows=rows, customer=customer
    )
    return joined([Scores(customer, columns), found])


def drawn(buyers: Ints) -> Ints:
    """The customers to learn from, always the same of the same."""
    if len(buyers) <= LEARNT_CUSTOMERS:
        return buyers
    return np.sort(np.random.default_rng(SEED).choice(buyers, LEARNT_CUSTOMERS, replace=False))


def kept_models(
    earlier: Sequence[ScoreModel], *, orders: Orders, today: Snapshot, as_of: datetime
) -> dict[str, tuple[ScoreModel, Served]]:
    """Cards, by kind, that go on with the newest model learnt before.

    A model is learnt anew when it is a week old, but only one in a night, the oldest first; at once when it is two weeks old or the
    shop has other orders of its time than it had.
    """
    newest = {kind: next((card for card in earlier if card.kind == kind), None) for kind in KINDS}
    kept: dict[str, tuple[ScoreModel, Served]] = {}
    for kind, former in newest.items():
        served = None if former is None else still_serving(former, orders=orders, today=today, as_of=as_of)
        if former is not None and served is not None:
            card = ScoreModel(
                kind=kind,
                algorithm=former.algorithm,
                parameters=dict(former.parameters),
                figures={**former.figures, "kept": True},
                learnt_by=former,
            )
            kept[kind] = card, served
    learnt_at: dict[str, datetime] = {kind: former.run.as_of for kind, former in newest.items() if former is not None}
    aged = [kind for kind in kept if as_of - learnt_at[kind] >= RELEARNT_AFTER]
    if aged and as_of not in learnt_at.values():  # the same refresh once more learns nothing else
        del kept[min(aged, key=lambda kind: learnt_at[kind])]
    return kept


def still_serving(former: ScoreModel, *, orders: Orders, today: Snapshot, as_of: datetime) -> Served | None:
    if as_of - former.run.as_of >= 2 * RELEARNT_AFTER:
        return None
    then, now = former.parameters["orders"], count(orders, microseconds(former.run.as_of))
    if not then / CHANGED <= now <= then * CHANGED:
        return None
    served = load(former)
    return None if served.propensity is None or (served.given and today.fit.model is None) else served


def learnt_models(
    kinds: Sequence[ScoreModel.Kind], *, process: str, orders: Orders, today: Snapshot, as_of: datetime
) -> dict[str, tuple[ScoreModel, Served]]:
    """Cards, by kind, of what is learnt from the customers of `today`. orders: of the whole shop. process: by name."""
    some, moment = today.orders, today.as_of
    targets = {kind: target_of(kind, orders=some, as_of=moment) for kind in kinds}
    plans = {kind: plan_of(orders=some, target=target, as_of=moment) for kind, target in targets.items()}
    cuts = {kind: [*plan.every, *plan.train] for kind, plan in plans.items()}
    columns = BuyingColumns(orders=some, name=process, cuts=[cut for own in cuts.values() for cut in own])
    given = {kind: today.fit.model is not None and columns.known(cuts[kind]) for kind in kinds}

    def learn(kind: ScoreModel.Kind) -> Propensity:
        target = targets[kind]
        return learn_target(
            orders=some,
            target=target,
            as_of=moment,
            seed=SEED,
            columns=(lambda cut: {GIVEN: columns.column(as_of=cut, target=target)}) if given[kind] else None,
            given=GIVEN if given[kind] else None,
            most_rows=LEARNT_ROWS,
        )

    with threadpool_limits(limits=1), ThreadPoolExecutor(THREADS) as threads:
        learnt = dict(zip(kinds, threads.map(learn, kinds), strict=True))
    whole = count(orders, moment)
    stands_in = BUYING if today.fit.model is not None else ""
    found: dict[str, tuple[ScoreModel, Served]] = {}
    for kind, propensity in learnt.items():
        card = card_of(kind, propensity, targets[kind], as_of=as_of, stands_in=stands_in)
        card.parameters |= {"given": given[kind], "orders": whole}
        found[kind] = card, Served(targets[kind], None if card.reason else propensity, given[kind])
    return found


def card_of(
    kind: ScoreModel.Kind, propensity: Propensity, target: Target, *, as_of: datetime, stands_in: str
) -> ScoreModel:
    """stands_in: the algorithm where nothing could be learnt."""
    parameters = {"horizon_days": target.horizon_days, "learnt_at": as_of.isoformat()}
    figures = learning_figures(propensity, target, as_of)
    if propensity.reason not in LEARNT:
        return ScoreModel(
            kind=kind, algorithm=stands_in, reason=propensity.reason, parameters=parameters, figures=figures
        )
    arrays, plain = propensity.to_saved()
    plain["facts"] = {name: value for name, value in plain["facts"].items() if name not in figures}
    return ScoreModel(
        kind=kind,
        algorithm=propensity.winner or "",
        parameters={**parameters, "propensity": plain},
        figures=figures,
        arrays=to_bytes(arrays),
    )


def target_of(kind: ScoreModel.Kind, *, orders: Orders, as_of: int) -> Target:
    if kind == ScoreModel.Kind.CHURN:
        return churn_target(orders=orders, as_of=as_of)
    return Target("purchase", dict(zip(KINDS[1:], PURCHASE_DAYS, strict=True))[kind])


def count(orders: Orders, until: int) -> int:
    return int((~orders.is_return & (orders.at < until)).sum())


def learning_figures(propensity: Propensity, target: Target, as_of: datetime) -> dict[str, Any]:
    figures = {
        "horizon_days": target.horizon_days,
        "rate": propensity.rate,
        "customers": propensity.customers,
        "positives": propensity.positives,
        "negatives": propensity.negatives,
        "learnt_at": as_of.isoformat(),
        "kept": False,
    }
    if propensity.reason not in LEARNT:
        return figures
    facts, judged = propensity.facts, {one.name: one for one in propensity.judged}
    baseline = min((judged[name] for name in SIMPLE if name in judged), key=lambda one: one.brier)
    return figures | {
        "winner": propensity.winner,
        "why": propensity.reason,
        "judged_by": facts["judged_by"],
        "judged_rows": facts["judged_rows"],
        "judged_rate": facts["judged_rate"],
        "baseline": baseline.name,
        "candidates": [vars(one) for one in propensity.judged],
        "quality": facts["quality"],
        "rules": facts["rules"][:RULES],
    }
