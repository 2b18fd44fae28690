"""E-mails in the name of the shop: sender, reply-to address and postal address."""

from collections.abc import Mapping
from email.utils import formataddr
from typing import Any

from django.core.mail import EmailMultiAlternatives

from config.foundation.shop.profile import ShopProfile, get_shop

# A mail that a customer waits for is tried again for a day: greylisting takes 15 minutes, repairing a mail server hours. The longest wait
# is shorter than the time after which the job queue gives a task to another worker (CELERY_BROKER_TRANSPORT_OPTIONS).
MAIL_RETRIES = 52
FIRST_MAIL_WAIT = 60
LONGEST_MAIL_WAIT = 1_800


def send_shop_mail(
    *,
    subject: str,
    text: str,
    recipient: str,
    html: str = "",
    headers: Mapping[str, str] | None = None,
    connection: Any = None,
) -> None:
    """Send a text with the sender of the shop settings, and with the shop's postal address below it.

    Args:
        html: the same text as an HTML document, which already contains the address. connection: an open connection of the email backend.
    """
    shop = get_shop()
    footer = f"\n-- \n{shop.name}\n{shop.postal_address}\n" if shop.postal_address else ""
    mail = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=f"{text.rstrip()}\n{footer}",
        from_email=build_sender(shop),
        to=[recipient],
        reply_to=[shop.reply_to] if shop.reply_to else None,
        headers=dict(headers or {}),
        connection=connection,
    )
    if html:
        mail.attach_alternative(html, "text/html")
    mail.send()


def compute_mail_wait(retries: int) -> int:
    """Return the seconds to wait after this many repeated tries: 1, 2, 4, 8, 16 minutes, then half an hour."""
    return int(min(FIRST_MAIL_WAIT * 2 ** min(retries, 10), LONGEST_MAIL_WAIT))


def build_sender(shop: ShopProfile) -> str:
    """Return the sender of the shop's emails, with its name."""
    return formataddr((shop.sender_name, shop.sender_address))
