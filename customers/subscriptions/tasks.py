"""Sends confirmation mails in the background, so that no form waits for a mail server and all answers take equally long."""

from typing import Any

from celery import shared_task

from config.foundation.shop.mail import MAIL_RETRIES, compute_mail_wait
from customers.subscriptions.mail import mail_confirmation
from customers.subscriptions.refusals import is_refused
from customers.subscriptions.requests import SubscriptionRequest, decode_request


@shared_task(name="customers.subscriptions.tasks.send_confirmation", max_retries=MAIL_RETRIES, bind=True)
def send_confirmation(self: Any, sealed: str, origin: str) -> None:
    """Send the mail of an encrypted request; try again later if the mail server does not accept it.

    This runs here and not in the web request, so that no response depends on whether an address bounced or complained.
    """
    request: SubscriptionRequest = decode_request(sealed)
    if is_refused(request.email):
        return
    try:
        mail_confirmation(request=request, origin=origin)
    except OSError as error:  # also all errors of smtplib
        raise self.retry(exc=error, countdown=compute_mail_wait(self.request.retries)) from error
