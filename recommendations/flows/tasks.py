"""Scheduled tasks of flows."""

from contextlib import suppress

from celery import shared_task
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from recommendations.flows.capture.birthdays import find_birthdays
from recommendations.flows.capture.catalog import signal_published
from recommendations.flows.capture.listeners import remove_unused_listeners
from recommendations.flows.capture.matches import compare_due_matches
from recommendations.flows.execution.reactions import process_signals
from recommendations.flows.execution.stepping import find_due_steps, run_due_steps
from recommendations.flows.maintenance import finish_ending_flows
from recommendations.flows.queued_messages import hold_returned_messages
from recommendations.sending.restores.hold import find_hold

# a run frees the worker after this time; the next one continues
MAX_RUN_SECONDS = 20.0
# a part of it, because events and messages wait for the same worker; a million birthdays are read within some minutes
MAX_DATE_SECONDS = 5.0


# quiet: while a long run is in progress, the lock is regularly held when the next run is due
@shared_task(exclusive=True, quiet=True)
def run_flows() -> None:
    """React to signals and execute due steps; runs every two seconds."""
    with suppress(AlreadyRunningError):  # a command processes the signals
        process_signals(now=timezone.now(), seconds=MAX_RUN_SECONDS / 2)
    hold = find_hold()
    if hold is not None:
        # with the time of the restore, so that their messages differ from those that became due later
        run_due_steps(now=hold.restored_at, seconds=MAX_RUN_SECONDS / 2)
        if find_due_steps(now=hold.restored_at):
            return
    run_due_steps(now=timezone.now(), seconds=MAX_RUN_SECONDS / 2)


@shared_task(exclusive=True, quiet=True)
def find_flow_dates() -> None:
    """Find customers who newly match a date or score trigger, near birthdays, and published products; end flows that are empty."""
    now = timezone.now()
    signal_published(now=now)
    compare_due_matches(now=now, seconds=MAX_DATE_SECONDS)
    find_birthdays(now=now, seconds=MAX_DATE_SECONDS)
    finish_ending_flows(now=now)
    hold_returned_messages()


@shared_task(exclusive=True)
def tidy_flows() -> None:
    """Stop listening for versions that nobody is in any more."""
    remove_unused_listeners()
