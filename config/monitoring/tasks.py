"""Scheduled tasks of monitoring."""

from celery import shared_task
from django.utils import timezone

from config.jobs.lost_runs import end_lost_runs
from config.jobs.retries import start_due_retries
from config.monitoring.alarms.evaluation import check_rules, purge_alarms
from config.monitoring.alarms.notifications import send_due_notifications
from config.monitoring.error_rate import take_sample


@shared_task(exclusive=True, quiet=True)
def check_alarms() -> int:
    """End lost runs, repeat failed jobs, check the rules, and send what is due; return how many alarms were opened."""
    now = timezone.now()
    end_lost_runs(now=now)
    start_due_retries(now=now)
    take_sample(now=now)
    result = check_rules(now=now)
    send_due_notifications(now=timezone.now())
    return result.opened


@shared_task(exclusive=True)
def purge_old_alarms() -> int:
    """Delete alarms that were resolved long ago; return their number."""
    return purge_alarms(now=timezone.now())
