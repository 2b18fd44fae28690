"""A run record shows how a job ended."""

from datetime import UTC, datetime

import pytest

from config.foundation.job_runs import INTERRUPTED_ERROR, JobStatus, record_run
from recommendations.serving.impressions.models import PerformanceRun

NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_a_finished_run_is_done_and_has_a_duration() -> None:
    with record_run(PerformanceRun(started_at=NOW)) as run:
        assert PerformanceRun.objects.get().status == JobStatus.RUNNING
        assert run.duration_seconds is None
        run.counts = {"rows": 3}
    saved = PerformanceRun.objects.get()
    assert (saved.status, saved.error, saved.counts) == (JobStatus.DONE, "", {"rows": 3})
    assert saved.duration_seconds is not None
    assert saved.duration_seconds >= 0


def test_a_failed_run_has_its_error_which_is_raised_again() -> None:
    with pytest.raises(ValueError, match="no rows"), record_run(PerformanceRun(started_at=NOW)):
        raise ValueError("no rows")
    saved = PerformanceRun.objects.get()
    assert (saved.status, saved.error) == (JobStatus.FAILED, "ValueError: no rows")
    assert saved.finished_at is not None


def test_the_next_run_marks_an_interrupted_one_as_failed() -> None:
    killed = PerformanceRun.objects.create(started_at=NOW)
    with record_run(PerformanceRun(started_at=NOW)):
        pass
    killed.refresh_from_db()
    assert (killed.status, killed.error, killed.finished_at) == (JobStatus.FAILED, INTERRUPTED_ERROR, None)
