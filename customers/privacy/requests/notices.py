"""Queues the emails about a request once its change is committed."""

from config.foundation.processes.background_tasks import start_task_after_commit
from customers.privacy.models import PrivacyRequest
from customers.privacy.tasks import send_notice


def queue_notice(request: PrivacyRequest, kind: str) -> None:
    """Send a mail about a request to the customer, if an address is known."""
    if request.email:
        start_task_after_commit(send_notice, request.pk, kind)


def queue_confirmation(request: PrivacyRequest) -> None:
    """Send the link with which the customer proves that the request is theirs."""
    queue_notice(request, "confirm")
