"""The email with the link that confirms a sign-up."""

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from config.foundation.shop.mail import send_shop_mail
from config.foundation.shop.profile import get_shop
from customers.subscriptions.requests import SubscriptionRequest, make_token


def mail_confirmation(*, request: SubscriptionRequest, origin: str) -> None:
    """Send the link, in the language of the page on which the address was entered."""
    shop = get_shop()
    path = reverse("subscriptions:confirm", args=[make_token(request)])
    with override(request.language):
        text = render_to_string("subscriptions/confirmation_mail.txt", {"url": f"{origin}{path}", "shop": shop.name})
        subject = _("Please confirm your subscription to %(shop)s") % {"shop": shop.name}
    send_shop_mail(subject=subject, text=text, recipient=request.email)
