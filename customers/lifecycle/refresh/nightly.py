"""Refreshes everybody's profile as of a moment, or the stages of those for whom time has done it.

Everything that a refresh writes is written in one transaction: a killed run leaves the profiles of the run before.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count

from config.foundation.database.advisory_locks import exclusive
from config.foundation.progress import Progress, no_progress
from customers.lifecycle.clusters.scoring import cluster_everybody
from customers.lifecycle.clv.scoring import value_everybody
from customers.lifecycle.facts.counters import compute_counters
from customers.lifecycle.facts.histories import microseconds, read_histories
from customers.lifecycle.facts.order_facts import read_facts
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel, Stage, StageRules
from customers.lifecycle.next_order.forecast import foresee_orders
from customers.lifecycle.propensity.models import forget_models
from customers.lifecycle.propensity.scoring import foretell_everybody
from customers.lifecycle.refresh.incremental import customers_to_rescore, rescore
from customers.lifecycle.refresh.profile_lock import nobody_else_writes
from customers.lifecycle.refresh.profile_updates import recount_due
from customers.lifecycle.refresh.score_columns import joined
from customers.lifecycle.refresh.step_timer import Seconds
from customers.lifecycle.refresh.writer import write_profiles, write_stages, write_transitions
from customers.lifecycle.rfm.scoring import rank_everybody
from customers.lifecycle.scoring.stages.derivation import Histories, derive_stages
from customers.lifecycle.stages.rules import all_versions, measure_gaps_of, measure_rules, rules_in_force
from customers.lifecycle.stages.sync import write_history
from customers.warehouse.snapshot import snapshot

LOCK = "refresh_profiles"
DIED = "The process ended before the run did."
STEPS = 7


def refresh_profiles(
    *, as_of: datetime, started_at: datetime, measure: bool = False, progress: Progress = no_progress
) -> LifecycleRun:
    """Computes counters, RFM, stage and history of everyone from the facts before ``as_of``.

    The stages' thresholds are measured at the first refresh and when ``measure`` asks for it. Progress is counted in steps.

    Errors: ValueError when ``as_of`` has no time zone; AlreadyRunningError.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of={as_of.isoformat()} has no time zone; give one, such as {as_of.isoformat()}+00:00.")
    began = time.monotonic()
    with exclusive(LOCK):
        LifecycleRun.objects.filter(status=LifecycleRun.Status.RUNNING).update(
            status=LifecycleRun.Status.FAILED, error=DIED
        )
        run = LifecycleRun.objects.create(as_of=as_of, started_at=started_at)
        try:
            with nobody_else_writes(), snapshot():
                _refresh(run, measure=measure, progress=progress)
                run.status = LifecycleRun.Status.DONE
                run.finished_at = started_at + timedelta(seconds=time.monotonic() - began)
                run.save()
        except (Exception, KeyboardInterrupt) as error:
            LifecycleRun.objects.filter(pk=run.pk).update(
                status=LifecycleRun.Status.FAILED,
                error=str(error) or type(error).__name__,
                finished_at=started_at + timedelta(seconds=time.monotonic() - began),
            )
            raise
    recount_due(as_of=as_of)
    return run


def refresh_due(*, as_of: datetime) -> int:
    """Changes the stage of those for whom its moment has come by ``as_of``; how many there were.

    Reads the orders of these customers only. Errors: AlreadyRunningError while a refresh runs.
    """
    due = CustomerProfile.objects.filter(next_flip_at__lte=as_of).values_list("customer_id", flat=True)
    return refresh_stages(customer_ids=list(due), as_of=as_of) if due else 0


def refresh_values(*, as_of: datetime) -> int:
    """Values and next orders of those who ordered since theirs were computed; how many there were.

    Errors: AlreadyRunningError while a refresh runs.
    """
    waiting = customers_to_rescore()
    if not waiting:
        return 0
    with exclusive(LOCK), nobody_else_writes(), snapshot():
        return rescore(customer_ids=waiting, as_of=as_of)


def refresh_stages(*, customer_ids: Sequence[int], as_of: datetime) -> int:
    """Tells the stages of some customers again, as after an order; how many profiles were written.

    Customers without a profile get theirs with the next refresh. Errors: AlreadyRunningError.
    """
    with exclusive(LOCK), nobody_else_writes(), snapshot():
        versions = all_versions()
        if not versions:
            return 0
        histories = read_histories(as_of=as_of, customer_ids=customer_ids)
        stories = derive_stages(histories=histories, versions=versions, as_of=microseconds(as_of))
        write_transitions(stories=stories, customer_ids=histories.customer.tolist())
        return write_stages(histories=histories, stories=stories)


def _refresh(run: LifecycleRun, *, measure: bool, progress: Progress) -> None:
    as_of, seconds = run.as_of, Seconds()
    progress(0, STEPS)
    facts = read_facts(as_of=as_of)
    histories = facts.histories
    seconds.end("read")
    progress(1, STEPS)
    run.rules = _rules(histories, as_of, measure=measure)
    seconds.end("rules")
    stories = derive_stages(histories=histories, versions=all_versions(), as_of=microseconds(as_of))
    seconds.end("stages")
    progress(2, STEPS)
    rfm = rank_everybody(histories=histories, as_of=as_of, window_days=settings.RFM_WINDOW_DAYS)
    seconds.end("rfm")
    value = value_everybody(histories=histories, as_of=as_of, run=run, seconds=seconds)
    parts = [rfm, value, foresee_orders(histories=histories, as_of=as_of, run=run)]
    seconds.end("next_orders")
    buying = next(card for card in value.cards if card.kind == ScoreModel.Kind.BUYING)
    parts.append(foretell_everybody(histories=histories, as_of=as_of, run=run, buying=buying, seconds=seconds))
    progress(3, STEPS)
    compute_counters(facts=facts, as_of=as_of)
    seconds.end("counters")
    parts.append(cluster_everybody(histories=histories, as_of=as_of, run=run))
    seconds.end("clusters")
    progress(4, STEPS)
    scores = joined(parts)
    write_profiles(histories=histories, stories=stories, scores=scores, as_of=as_of)
    ScoreModel.objects.bulk_create(scores.cards)
    forget_models(as_of=as_of, but=[card.learnt_by_id for card in scores.cards if card.learnt_by_id])
    seconds.end("profiles")
    progress(5, STEPS)
    run.transitions, removed = write_history(histories=histories, stories=stories)
    seconds.end("transitions")
    progress(6, STEPS)
    run.customers = len(histories.customer)
    run.counts = _counts()
    quality = _quality(histories) | {"customers_with_orders": len(scores.customer)}
    seconds.end("counts")
    quality |= {"transitions_removed": removed, "rfm_window_days": settings.RFM_WINDOW_DAYS}
    run.quality = quality | {"seconds": seconds}
    progress(STEPS, STEPS)


def _rules(histories: Histories, as_of: datetime, *, measure: bool) -> StageRules:
    current = rules_in_force()
    if current is None or measure:
        return measure_rules(histories=histories, as_of=as_of)[0]
    return current


def _counts() -> dict[str, int]:
    found = dict(CustomerProfile.objects.order_by().values_list("stage").annotate(Count("customer")))
    return {stage: found.get(stage, 0) for stage in Stage.values}


def _quality(histories: Histories) -> dict[str, int | float]:
    """What the run rests on: how many gaps were measured, how many orders have no customer."""
    quantiles = measure_gaps_of(histories)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders_order WHERE customer_id IS NULL AND kind = 'sale'")
        guests = cursor.fetchone()[0]
    return {
        "orders": int(histories.is_order.sum()),
        "orders_of_guests": guests,
        "gaps": quantiles.gaps,
        "second_gaps": quantiles.second_gaps,
        "median_gap_days": round(quantiles.median_gap_days, 3),
        "active_gap_days": round(quantiles.active_gap_days, 3),
        "dormant_gap_days": round(quantiles.dormant_gap_days, 3),
    }
