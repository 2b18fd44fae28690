"""The nightly job: trains the behavior predictions from the clickstream of the last months."""

from datetime import UTC, datetime, timedelta

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import record_run
from config.foundation.progress import Progress, ignore_progress
from customers.analytics.sources import open_analytics_tables
from customers.intent.history_reading import read_history
from customers.intent.models import IntentRun
from customers.intent.prediction.intent_model import serialize_intent, train_intent
from customers.intent.served_model import forget_served_model

LOCK = "behavior prediction"
KEPT_RUNS = 30
NO_EVENTS, FEW_SESSIONS = "no_events", "few_sessions"
MIN_SESSIONS = 300


def train_predictions(*, as_of: datetime, progress: Progress = ignore_progress) -> IntentRun:
    """Train on the sessions before ``as_of``; the previous model stays in use until the new one is stored.

    Errors: AlreadyRunningError.
    """
    with exclusive_lock(LOCK), record_run(IntentRun(as_of=as_of, started_at=as_of)) as run:
        with open_analytics_tables(as_of=as_of) as tables:
            history = read_history(tables)
        run.events, run.sessions = len(history.events), len(history.events.sessions)
        if run.events:
            run.since = datetime.fromtimestamp(int(history.events.at.min()) / 1e6, UTC)
        run.problem = find_problem(run)
        if not run.problem:
            trained = train_intent(
                history.events,
                history.orders,
                until=round(as_of.timestamp() * 1_000_000),
                categories=history.categories,
                report=progress,
            )
            run.quality, run.content = trained.quality, serialize_intent(trained.model)
    delete_old_runs()
    forget_served_model()
    return run


def find_problem(run: IntentRun) -> str:
    if not run.events:
        return NO_EVENTS
    return FEW_SESSIONS if run.sessions < MIN_SESSIONS else ""


def delete_old_runs() -> None:
    """Delete all runs except the latest ones and the run whose model is in use."""
    kept = list(IntentRun.objects.order_by("-id").values_list("pk", flat=True)[:KEPT_RUNS])
    serving = IntentRun.objects.exclude(content=b"").order_by("-id").values_list("pk", flat=True)[:1]
    IntentRun.objects.exclude(pk__in=[*kept, *serving]).delete()


def find_latest_run() -> IntentRun | None:
    """Return the latest finished run, without its model."""
    return IntentRun.objects.filter(status=IntentRun.Status.DONE).defer("content").order_by("-id").first()


def is_model_old(run: IntentRun, *, now: datetime) -> bool:
    """Return whether the run is more than three days old, so that nightly trainings have been missed."""
    return run.as_of < now - timedelta(days=3)


def find_run_of_model() -> IntentRun | None:
    """Return the run whose model is in use, without the model itself."""
    return (
        IntentRun.objects.filter(status=IntentRun.Status.DONE)
        .exclude(content=b"")
        .defer("content")
        .order_by("-id")
        .first()
    )
