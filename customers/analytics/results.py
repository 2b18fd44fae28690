"""Results stored by question, parameters and data version, and recomputed in the background when the data changes.

A page always states the time of a result: an older result is shown, marked as such, while the current one is computed.
"""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from config.foundation.job_runs import describe_error
from config.foundation.processes.background_tasks import start_task
from customers.analytics.data_version import DataVersion, read_data_version
from customers.analytics.expressions.parameters import dump_parameters, hash_parameters, parse_parameters
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.models import AnalyticsResult, ResultStatus
from customers.analytics.questions.registry import Question, get_question
from customers.analytics.sources import open_analytics_tables
from customers.warehouse.engines.registry import get_engine

logger = logging.getLogger(__name__)

COMPUTE_TASK = "customers.analytics.tasks.compute_result"
# new events arrive every few seconds: a result is not computed again before this time has passed
MIN_AGE = timedelta(minutes=2)
# a computation that has not ended by then was killed
MAX_DURATION = timedelta(minutes=15)
KEPT = timedelta(days=30)
CANCEL_CHECK_SECONDS = 0.2
NOT_EXPORTED = "0."  # how versions of data begin that was never exported
ACTIVE = (ResultStatus.QUEUED, ResultStatus.RUNNING)


@dataclass(frozen=True)
class ResultState:
    """What a page shows of a question.

    Attributes:
        result: the newest answer, of the type `Question.result`; None if there is none yet.
        as_of, duration_seconds: of that answer. is_current: it includes all current data.
        status: of the last computation. pending_id: the one in progress, for `cancel_result`.
        error: why the last computation failed; empty if it did not.
    """

    question: Question
    parameters: Any
    result: Any | None
    as_of: datetime | None
    duration_seconds: float | None
    is_current: bool
    status: ResultStatus
    pending_id: int | None
    error: str

    @property
    def is_cancelled(self) -> bool:
        """Whether the last computation was canceled."""
        return self.status == ResultStatus.CANCELLED


class ResultCancelledError(Exception):
    "The computation was canceled."

    def __init__(self) -> None:
        super().__init__("The computation was canceled.")


def get_result(*, question: str, parameters: Any, now: datetime, is_forced: bool = False) -> ResultState:
    """Return the newest result of a question; start a computation if it is not current and none is in progress.

    Args:
        parameters: an object of the type `Question.parameters`, or JSON values.
        is_forced: compute again although the result is recent, was cancelled or failed.

    Raises:
        ParameterError: the question or a parameter is not valid.
    """
    kind = get_question(question)
    if not isinstance(parameters, kind.parameters):
        parameters = parse_parameters(kind.parameters, parameters)
    version, key = read_data_version(question=kind, parameters=parameters, now=now), hash_parameters(parameters)
    rows = _filter_shown(AnalyticsResult.objects.filter(question=question, parameters_hash=key), version)
    newest, last = _find_newest(rows), rows.defer("content").first()
    is_current = _is_current(newest, version)
    if last is None or _is_due(last, version=version, is_current=is_current, now=now, is_forced=is_forced):
        last = _start(question, parameters, key, version=version, now=now)
    return _make_state(kind, parameters, newest, last, version)


def find_result(*, question: str, key: str, now: datetime) -> ResultState | None:
    """Return the stored state of a question, without computing it; None if there is none. Raises ParameterError.

    Args:
        key: the hash of the parameters, or its beginning.
    """
    kind, rows = (
        get_question(question),
        AnalyticsResult.objects.filter(question=question, parameters_hash__startswith=key),
    )
    stored = rows.values_list("parameters", flat=True).first()
    if stored is None:
        return None
    parameters = parse_parameters(kind.parameters, stored)
    version = read_data_version(question=kind, parameters=parameters, now=now)
    rows = _filter_shown(rows, version)
    last = rows.defer("content").first()
    return _make_state(kind, parameters, _find_newest(rows), last, version) if last else None


def count_pending(*, now: datetime) -> int:
    """Return how many computations are queued or running."""
    return AnalyticsResult.objects.filter(status__in=ACTIVE, started_at__gt=now - MAX_DURATION).count()


def _filter_shown(rows: QuerySet[AnalyticsResult], version: DataVersion) -> QuerySet[AnalyticsResult]:
    """Return results that may be shown, although they may be outdated.

    Not those with amounts in another currency, because pages state all amounts in the current one, and after the first export not those
    from before it, which lack all orders.
    """
    rows = rows.filter(data_version__endswith=version.currency_suffix)
    return rows.exclude(data_version__startswith=NOT_EXPORTED) if version.export else rows


def _find_newest(rows: QuerySet[AnalyticsResult]) -> AnalyticsResult | None:
    return rows.exclude(as_of=None).order_by("-as_of").first()


def _is_current(newest: AnalyticsResult | None, version: DataVersion) -> bool:
    return newest is not None and newest.data_version == str(version) and newest.status == ResultStatus.DONE


def _make_state(
    kind: Question, parameters: Any, newest: AnalyticsResult | None, last: AnalyticsResult, version: DataVersion
) -> ResultState:
    return ResultState(
        question=kind,
        parameters=parameters,
        result=msgspec.convert(newest.content, kind.result) if newest else None,
        as_of=newest.as_of if newest else None,
        duration_seconds=newest.duration_seconds if newest else None,
        is_current=_is_current(newest, version),
        status=ResultStatus(last.status),
        pending_id=last.pk if last.status in ACTIVE else None,
        error=last.error,
    )


def _is_due(last: AnalyticsResult, *, version: DataVersion, is_current: bool, now: datetime, is_forced: bool) -> bool:
    age = now - last.started_at
    if last.status in ACTIVE:
        return age > MAX_DURATION
    if is_forced:
        return True
    if is_current or last.data_version == str(version):  # one that failed or was canceled is only repeated on demand
        return False
    return age >= MIN_AGE


def _start(question: str, parameters: Any, key: str, *, version: DataVersion, now: datetime) -> AnalyticsResult:
    row, _created = AnalyticsResult.objects.update_or_create(
        question=question,
        parameters_hash=key,
        data_version=str(version),
        defaults={
            "parameters": dump_parameters(parameters),
            "status": ResultStatus.QUEUED,
            "started_at": now,
            "error": "",
        },
    )
    cache.delete(_name_cancellation(row.pk))
    transaction.on_commit(partial(_queue, row.pk, now=now))
    return row


def _queue(result_id: int, *, now: datetime) -> None:
    # by name, because tasks import this module
    if not start_task(COMPUTE_TASK, result_id):
        error = _("The job queue did not respond. Try again.")
        _finish_without_result(result_id, ResultStatus.FAILED, now, error)


def compute_result(*, result_id: int, now: datetime) -> None:
    """Compute a queued result, and record its duration or error."""
    if not AnalyticsResult.objects.filter(pk=result_id, status=ResultStatus.QUEUED).update(
        status=ResultStatus.RUNNING, started_at=now
    ):
        return  # canceled, or already computed
    row = AnalyticsResult.objects.get(pk=result_id)
    started = time.monotonic()
    try:
        question = get_question(row.question)
        parameters = parse_parameters(question.parameters, row.parameters)
        # before the data is read, so that data added during the computation makes the result outdated
        version = read_data_version(question=question, parameters=parameters, now=now)
        result = answer(question, parameters, now=now, result_id=row.pk)
        row.content, row.status, row.as_of = msgspec.to_builtins(result), ResultStatus.DONE, now
        row.finished_at = _measure_end(now, started)
        # a result that cannot be stored is an error too, and changes nothing
        with transaction.atomic():
            _replace_duplicate(row, str(version))
            row.save()
            _delete_outdated(row)
    except ResultCancelledError:
        _finish_without_result(result_id, ResultStatus.CANCELLED, _measure_end(now, started))
    except Exception as error:
        logger.exception("The question %s could not be answered.", row)
        _finish_without_result(result_id, ResultStatus.FAILED, _measure_end(now, started), describe_error(error))


def _measure_end(now: datetime, started: float) -> datetime:
    return now + timedelta(seconds=time.monotonic() - started)


def _finish_without_result(result_id: int, status: ResultStatus, finished_at: datetime, error: str = "") -> None:
    """Record why there is no new result; an older one in the same row stays."""
    AnalyticsResult.objects.filter(pk=result_id).update(status=status, finished_at=finished_at, error=error)


def _replace_duplicate(row: AnalyticsResult, version: str) -> None:
    """Give a result the version of the data that it was computed from; another one of that version is deleted."""
    if row.data_version != version:
        others = AnalyticsResult.objects.filter(
            question=row.question, parameters_hash=row.parameters_hash, data_version=version
        )
        others.exclude(pk=row.pk).delete()
        row.data_version = version


def _delete_outdated(row: AnalyticsResult) -> None:
    older = AnalyticsResult.objects.filter(
        question=row.question, parameters_hash=row.parameters_hash, started_at__lt=row.started_at
    )
    older.exclude(status__in=ACTIVE).delete()


def answer(question: Question, parameters: Any, *, now: datetime, result_id: int | None = None) -> Any:
    """Return the answer to a question immediately.

    Args:
        result_id: with one, `cancel_result` stops the computation.

    Raises:
        ResultCancelledError
    """
    with open_analytics_tables(as_of=now, engine=get_engine()) as tables:
        if result_id is None:
            return question.run(tables, parameters)
        with _watch_cancellation(tables, result_id):
            return question.run(tables, parameters)


class _watch_cancellation:  # noqa: N801 — used like a function
    """Interrupts the engine when a cancellation is requested, and turns its error into ResultCancelledError."""

    def __init__(self, tables: AnalyticsTables, result_id: int) -> None:
        self.tables, self.name = tables, _name_cancellation(result_id)
        self.is_finished = threading.Event()
        self.is_cancelled = False
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._check()
        if self.is_cancelled:
            raise ResultCancelledError
        self.thread.start()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.is_finished.set()
        self.thread.join()
        if error is not None and self.is_cancelled:
            raise ResultCancelledError from error

    def _check(self) -> None:
        self.is_cancelled = bool(cache.get(self.name))

    def _watch(self) -> None:
        while not self.is_finished.wait(CANCEL_CHECK_SECONDS):
            self._check()
            if self.is_cancelled:
                self.tables.interrupt()


def cancel_result(*, result_id: int, now: datetime) -> bool:
    """Cancel a computation that is queued or running; return whether there was one."""
    cache.set(_name_cancellation(result_id), 1, int(MAX_DURATION.total_seconds()))
    queued = AnalyticsResult.objects.filter(pk=result_id, status=ResultStatus.QUEUED)
    if queued.update(status=ResultStatus.CANCELLED, finished_at=now):
        return True
    return AnalyticsResult.objects.filter(pk=result_id, status=ResultStatus.RUNNING).exists()


def _name_cancellation(result_id: int) -> str:
    return f"analytics:cancel:{result_id}"
