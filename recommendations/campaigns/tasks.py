"""Background tasks of campaigns."""

from celery import shared_task
from django.utils import timezone

from recommendations.campaigns.launch import message_tests, runs
from recommendations.sending.restores.hold import find_hold


@shared_task(exclusive=True, quiet=True)
def run_campaigns() -> int:
    """Start the runs that are due, decide the tests that are over, and end the runs that are sent; return how many started."""
    now = timezone.now()
    started = runs.start_due_runs(now=now)
    if find_hold() is None:  # after a restore, the messages of a test wait
        message_tests.decide_ended_tests(now=now)
    runs.finish_runs(now=now)
    return started
