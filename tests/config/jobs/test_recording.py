"""Records of job runs."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock, name_task_lock
from config.jobs.error_labels import describe_job_error
from config.jobs.history import list_recent_failures
from config.jobs.models import ScheduledRun
from config.jobs.recording import INTERRUPTED, record_scheduled_run

pytestmark = pytest.mark.django_db
NIGHTLY, FREQUENT = "customers.lifecycle.tasks.refresh_profiles", "customers.processing.tasks.process_events"


def fail(task: str, error: BaseException, *, cancelled_by: str = "") -> ScheduledRun:
    def run() -> None:
        with record_scheduled_run(task, celery_id="abc"):
            ScheduledRun.objects.filter(task=task).update(cancelled_by=cancelled_by)
            raise error

    with pytest.raises(type(error)):
        run()
    return ScheduledRun.objects.filter(task=task).latest("started_at")


def test_a_run_is_visible_while_it_runs_and_has_a_duration_afterwards() -> None:
    with record_scheduled_run(NIGHTLY, celery_id="abc", started_by="olga"):
        run = ScheduledRun.objects.get()
        assert (run.status, run.celery_id, run.started_by) == ("running", "abc", "olga")
    run.refresh_from_db()
    assert run.status == "done"
    assert run.finished_at
    assert run.seconds is not None


def test_short_runs_of_a_frequent_job_share_a_row_until_one_fails() -> None:
    for _number in range(3):
        with record_scheduled_run(FREQUENT, celery_id="abc"):
            pass
    assert [run.runs for run in ScheduledRun.objects.all()] == [3]
    fail(FREQUENT, ValueError("unknown source 'x'"))
    with record_scheduled_run(FREQUENT, celery_id="abc"):
        pass
    assert [(run.status, run.runs) for run in ScheduledRun.objects.order_by("started_at")] == [
        ("done", 3),
        ("failed", 1),
        ("done", 1),
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OperationalError("server closed the connection"), "The database did not respond"),
        (MemoryError(), "Give the worker more memory"),
        (ValueError("unknown source 'x'\nmore"), "An unexpected error: unknown source 'x'."),
    ],
)
def test_a_failure_is_described_in_words(error: Exception, text: str) -> None:
    assert text in describe_job_error(fail(NIGHTLY, error))


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), RuntimeError("Query interrupted")])
def test_a_cancelled_run_names_who_cancelled_it(error: Exception) -> None:
    run = fail(NIGHTLY, error, cancelled_by="olga")
    assert run.status == "cancelled"
    assert describe_job_error(run) == "Canceled by olga. The next run starts over."


def test_a_run_that_meets_a_command_doing_the_same_work_is_skipped_and_has_not_failed() -> None:
    for _number in range(3):
        run = fail(FREQUENT, AlreadyRunningError("process_events"))
    assert (run.status, run.runs, run.retry_at) == ("cancelled", 3, None)
    assert describe_job_error(run).startswith("Skipped: a command or another job")
    nightly = fail(NIGHTLY, AlreadyRunningError("warehouse.export"))
    assert nightly.status == "cancelled"
    assert nightly.retry_at is not None  # the holder of the lock may have done other work
    assert list_recent_failures([FREQUENT, NIGHTLY], limit=1) == []


def test_a_killed_run_is_marked_when_the_job_starts_again() -> None:
    ScheduledRun.objects.create(task=NIGHTLY, status="running", started_at=datetime.now(UTC) - timedelta(hours=1))
    with record_scheduled_run(NIGHTLY, celery_id="abc"):
        pass
    killed = ScheduledRun.objects.earliest("started_at")
    assert (killed.status, killed.error_type) == ("failed", INTERRUPTED)
    assert "PostgreSQL restarted" in describe_job_error(killed)


def test_a_run_that_a_signal_ended_waits_for_its_task_to_run_again() -> None:
    run = fail(NIGHTLY, SystemExit(-241))  # which Celery raises in the process when it gets SIGTERM
    assert (run.status, run.error_type, run.error) == ("failed", INTERRUPTED, "")
    assert run.retry_at is None  # the worker has put the task back into the queue
    assert describe_job_error(run).endswith("The job runs again automatically.")
    assert fail(NIGHTLY, SystemExit(-241), cancelled_by="olga").status == "cancelled"


def test_a_job_goes_on_if_its_record_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(run: ScheduledRun) -> None:
        raise OperationalError("no space left on device")

    monkeypatch.setattr("config.jobs.recording.start_run", break_down)
    done = []
    with record_scheduled_run(NIGHTLY, celery_id="abc"):
        done.append(1)
    assert done == [1]


@pytest.mark.django_db(transaction=True)  # a new connection would not see the transaction of the test
def test_a_run_whose_connection_was_lost_is_recorded_on_a_new_one_and_repeated() -> None:
    def lose_connection() -> None:
        with exclusive_lock(name_task_lock(NIGHTLY)), record_scheduled_run(NIGHTLY, celery_id="abc"):
            own = connection.connection.info
            password = connection.settings_dict["PASSWORD"]
            with psycopg.connect(own.dsn, password=password, autocommit=True) as other:
                assert other.execute("SELECT pg_terminate_backend(%s, 300000)", [own.backend_pid]).fetchone() == (True,)
            ScheduledRun.objects.count()

    with pytest.raises(OperationalError):
        lose_connection()
    run = ScheduledRun.objects.get()
    assert (run.status, run.error_type) == ("failed", "OperationalError")
    assert run.retry_at is not None


def test_tasks_without_a_schedule_leave_no_record() -> None:
    with record_scheduled_run("config.access.tasks.mail_password_reset", celery_id="abc"):
        pass
    assert not ScheduledRun.objects.exists()
