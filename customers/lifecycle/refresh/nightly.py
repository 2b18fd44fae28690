"""Refreshes all profiles as of a time, or only the stages that change as time passes.

A refresh writes everything in one transaction, so after a killed run the profiles are those of the run before.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import fail_interrupted_runs
from config.foundation.progress import Progress, ignore_progress
from customers.lifecycle.clusters.scoring import score_clusters
from customers.lifecycle.clv.scoring import score_clv
from customers.lifecycle.facts.amounts import choose_amount_currency
from customers.lifecycle.facts.counters import compute_counters
from customers.lifecycle.facts.engine_figures import read_engine_figures
from customers.lifecycle.facts.histories import count_local_days, read_histories, to_microseconds
from customers.lifecycle.facts.order_facts import read_order_facts
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel, Stage, StageRules
from customers.lifecycle.next_order.forecast import forecast_next_orders
from customers.lifecycle.propensity.models import delete_old_arrays
from customers.lifecycle.propensity.scoring import score_propensities
from customers.lifecycle.refresh.incremental import find_customers_to_rescore, rescore_customers
from customers.lifecycle.refresh.profile_lock import lock_all_profiles, lock_profile_writes
from customers.lifecycle.refresh.profile_updates import forget_recounts, read_queued_recounts, recount_pending
from customers.lifecycle.refresh.score_columns import ProfileScores, merge_scores
from customers.lifecycle.refresh.score_consistency import reconcile_scores
from customers.lifecycle.refresh.step_timer import StepTimer
from customers.lifecycle.refresh.withholding import withhold_scores
from customers.lifecycle.refresh.writer import write_profiles, write_stages, write_transitions
from customers.lifecycle.rfm.scoring import score_rfm
from customers.lifecycle.scoring.stages.derivation import OrderHistories, derive_stages
from customers.lifecycle.stages.freshness import find_missing_data_since, find_time_limit
from customers.lifecycle.stages.rules import (
    get_active_rules,
    list_threshold_versions,
    measure_rules,
    measure_shop_gaps,
    should_measure_again,
)
from customers.lifecycle.stages.sync import sync_stage_history
from customers.warehouse.snapshot import read_snapshot

REFRESH_LOCK = "refresh_profiles"
N_STEPS = 7


def refresh_profiles(
    *, as_of: datetime, started_at: datetime, measure: bool = False, progress: Progress = ignore_progress
) -> LifecycleRun:
    """Compute counters, scores, stages and stage histories of all customers.

    Only facts before ``as_of`` count.
    The first refresh measures the stage rules, later ones only with ``measure``, or if they were measured by an earlier release or by the
    days of another time zone.
    Progress is counted in steps.

    Errors: ValueError when ``as_of`` has no time zone; AlreadyRunningError; WarehouseEngineError.
    """
    if as_of.tzinfo is None:
        raise ValueError(f"as_of={as_of.isoformat()} has no time zone; add one, such as {as_of.isoformat()}+00:00.")
    start = time.monotonic()
    with exclusive_lock(REFRESH_LOCK):
        fail_interrupted_runs(LifecycleRun)
        # Committed before the transaction of the refresh, so that a run that fails or is killed remains visible.
        run = LifecycleRun.objects.create(as_of=as_of, started_at=started_at)
        queued = read_queued_recounts()
        try:
            # The lock comes first: the snapshot would miss updates that are committed while it waits, and then fail on their rows.
            with lock_all_profiles(with_removals=False), read_snapshot():
                _run_refresh(run, measure=measure, progress=progress)
                run.status = LifecycleRun.Status.DONE
                run.finished_at = started_at + timedelta(seconds=time.monotonic() - start)
                run.save()
        except (Exception, KeyboardInterrupt) as error:
            LifecycleRun.objects.filter(pk=run.pk).update(
                status=LifecycleRun.Status.FAILED,
                error=str(error) or type(error).__name__,
                finished_at=started_at + timedelta(seconds=time.monotonic() - start),
            )
            raise
    # The refresh has counted what was committed before it, such as the orders of a large import just before.
    forget_recounts(queued, as_of=as_of)
    # Live updates queued these customers while the refresh held the lock. Their new orders are later than as_of, so its clock goes on.
    recount_pending(as_of=as_of + timedelta(seconds=time.monotonic() - start))
    return run


def refresh_due_stages(*, as_of: datetime) -> int:
    """Update the stages that change by ``as_of`` without an order.

    Return the number of profiles.
    Only the orders of these customers are read. While orders of the whole shop are missing, changes wait.
    Errors: AlreadyRunningError while a refresh runs.
    """
    until = find_missing_data_since(as_of=as_of) or as_of
    due = CustomerProfile.objects.filter(next_stage_change_at__lte=until).values_list("customer_id", flat=True)
    return refresh_stages(customer_ids=list(due), as_of=as_of) if due else 0


def refresh_outdated_scores(*, as_of: datetime) -> int:
    """Rescore the customers who ordered since they were scored; return their number.

    Errors: AlreadyRunningError while a refresh runs.
    """
    waiting = find_customers_to_rescore()
    if not waiting:
        return 0
    with exclusive_lock(REFRESH_LOCK), lock_all_profiles(), read_snapshot():
        return rescore_customers(customer_ids=waiting, as_of=as_of)


def refresh_stages(*, customer_ids: Sequence[int], as_of: datetime) -> int:
    """Derive the stages of some customers again; return the number of profiles written.

    Customers without a profile get one at the next refresh. Errors: AlreadyRunningError.
    """
    with exclusive_lock(REFRESH_LOCK), lock_all_profiles(), read_snapshot():
        versions = list_threshold_versions()
        if not versions:
            return 0
        histories = read_histories(as_of=as_of, customer_ids=customer_ids)
        stage_histories = derive_stages(
            histories=histories,
            versions=versions,
            as_of=to_microseconds(as_of),
            time_limit=find_time_limit(as_of=as_of),
        )
        write_transitions(stage_histories=stage_histories, customer_ids=histories.customer.tolist())
        return write_stages(histories=histories, stage_histories=stage_histories)


def _run_refresh(run: LifecycleRun, *, measure: bool, progress: Progress) -> None:
    as_of, timer = run.as_of, StepTimer()
    progress(0, N_STEPS)
    amounts = choose_amount_currency(as_of=as_of)
    run.currency = amounts.currency
    run.save(update_fields=["currency"])  # the functions that read amounts look it up
    facts = read_order_facts(as_of=as_of)
    histories = facts.histories
    timer.record("read")
    progress(1, N_STEPS)
    run.rules = _select_rules(histories, as_of, measure=measure)
    timer.record("rules")
    stage_histories = derive_stages(
        histories=histories,
        versions=list_threshold_versions(),
        as_of=to_microseconds(as_of),
        time_limit=find_time_limit(as_of=as_of),
    )
    timer.record("stages")
    progress(2, N_STEPS)
    parts, on_engine = _score_orders(histories, run, currency=amounts.currency, timer=timer)
    progress(3, N_STEPS)
    compute_counters(facts=facts, as_of=as_of)
    timer.record("counters")
    parts.append(score_clusters(histories=histories, as_of=as_of, run=run))
    timer.record("clusters")
    progress(4, N_STEPS)
    scores = withhold_scores(reconcile_scores(merge_scores(parts), today=count_local_days(histories, as_of)))
    removed_ids = lock_profile_writes(histories.customer.tolist())
    write_profiles(
        histories=histories, stage_histories=stage_histories, scores=scores, as_of=as_of, removed_ids=removed_ids
    )
    ScoreModel.objects.bulk_create(scores.score_models)
    delete_old_arrays(
        as_of=as_of,
        keep_ids=[score_model.trained_by_id for score_model in scores.score_models if score_model.trained_by_id],
    )
    timer.record("profiles")
    progress(5, N_STEPS)
    run.transitions, removed = sync_stage_history(
        histories=histories, stage_histories=stage_histories, removed_ids=removed_ids
    )
    timer.record("transitions")
    progress(6, N_STEPS)
    run.customers = len(histories.customer)
    run.counts = _count_stages()
    quality = _measure_data_quality(histories) | {"customers_with_orders": len(scores.customer)}
    timer.record("counts")
    quality |= {"transitions_removed": removed, "rfm_window_days": settings.RFM_WINDOW_DAYS}
    run.quality = quality | on_engine | {"orders_in_other_currencies": amounts.other_orders, "seconds": timer}
    progress(N_STEPS, N_STEPS)


def _score_orders(
    histories: OrderHistories, run: LifecycleRun, *, currency: str, timer: StepTimer
) -> tuple[list[ProfileScores], dict[str, str | int]]:
    """Return the scores that are computed from orders, and what the run records about the warehouse engine; {} without one."""
    as_of = run.as_of
    figures = read_engine_figures(histories=histories, as_of=as_of, currency=currency)
    on_engine: dict[str, str | int] = {}
    if figures is not None:
        on_engine = {"engine": figures.engine, "engine_differing": figures.differing}
        timer.record("engine")
    rfm = score_rfm(
        histories=histories,
        as_of=as_of,
        window_days=settings.RFM_WINDOW_DAYS,
        known=figures.rfm if figures is not None else None,
    )
    timer.record("rfm")
    value = score_clv(
        histories=histories,
        as_of=as_of,
        run=run,
        timer=timer,
        purchases=figures.purchases if figures is not None else None,
    )
    parts = [rfm, value, forecast_next_orders(histories=histories, as_of=as_of, run=run)]
    timer.record("next_orders")
    purchase_model = next(
        score_model for score_model in value.score_models if score_model.kind == ScoreModel.Kind.PURCHASE_MODEL
    )
    parts.append(
        score_propensities(histories=histories, as_of=as_of, run=run, purchase_model=purchase_model, timer=timer)
    )
    return parts, on_engine


def _select_rules(histories: OrderHistories, as_of: datetime, *, measure: bool) -> StageRules:
    current = get_active_rules()
    if current is None or measure or should_measure_again(current):
        return measure_rules(histories=histories, as_of=as_of)[0]
    return current


def _count_stages() -> dict[str, int]:
    counts = dict(CustomerProfile.objects.order_by().values_list("stage").annotate(Count("customer")))
    return {stage: counts.get(stage, 0) for stage in Stage.values}


def _measure_data_quality(histories: OrderHistories) -> dict[str, int | float]:
    """Return figures about the data: measured gaps, orders of guests."""
    quantiles = measure_shop_gaps(histories)
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
