"""Background tasks of sending."""

from celery import shared_task
from django.utils import timezone

from recommendations.sending import sender
from recommendations.sending.global_holdout.measuring import measure_months
from recommendations.sending.tracking import storing
from recommendations.sending.wecom.cancellation import stop_canceled_tasks
from recommendations.sending.wecom.contacts import link_wecom_contacts
from recommendations.sending.wecom.results import read_wecom_results


@shared_task(exclusive=True, quiet=True)
def send_due_messages() -> int:
    """Send the messages that are due; return how many were decided about."""
    return sender.send_due(now=timezone.now()).decided


@shared_task(exclusive=True, quiet=True)
def store_message_opens() -> int:
    """Store opens and clicks of messages; return how many."""
    return storing.store_waiting_entries()


@shared_task(exclusive=True)
def measure_global_holdout() -> int:
    """Measure the incremental lift of marketing: the months that are not final yet, and the whole time; return how many months."""
    return measure_months(as_of=timezone.now())


@shared_task(exclusive=True, quiet=True)
def fetch_wecom_results() -> int:
    """Ask WeCom which tasks employees have confirmed; return how many results are known."""
    return read_wecom_results(now=timezone.now())


@shared_task(exclusive=True, quiet=True)
def stop_wecom_tasks() -> int:
    """Stop WeCom's tasks of canceled campaigns that nobody has confirmed; return how many messages nobody will get."""
    return stop_canceled_tasks(now=timezone.now())


@shared_task(exclusive=True)
def find_wecom_contacts() -> int:
    """Find the WeCom contacts of customers by their unionid; return for how many customers."""
    return link_wecom_contacts(now=timezone.now())
