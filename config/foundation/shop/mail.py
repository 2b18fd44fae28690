"""E-mails in the name of the shop: sender, reply-to address and postal address."""

from email.utils import formataddr

from django.core.mail import EmailMessage

from config.foundation.shop.profile import ShopProfile, get_shop


def send_shop_mail(*, subject: str, text: str, recipient: str) -> None:
    """Send a plain text with the sender of the shop settings, and with the shop's postal address below it."""
    shop = get_shop()
    footer = f"\n-- \n{shop.name}\n{shop.postal_address}\n" if shop.postal_address else ""
    EmailMessage(
        subject=" ".join(subject.split()),
        body=f"{text.rstrip()}\n{footer}",
        from_email=build_sender(shop),
        to=[recipient],
        reply_to=[shop.reply_to] if shop.reply_to else None,
    ).send()


def build_sender(shop: ShopProfile) -> str:
    """Return the sender of the shop's emails, with its name."""
    return formataddr((shop.sender_name, shop.sender_address))
