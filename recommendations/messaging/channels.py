"""The channels on which messages are sent."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Channel(models.TextChoices):
    """A way to reach a customer."""

    EMAIL = "email", pgettext_lazy("channel", "email")
    SMS = "sms", _("SMS")
    WHATSAPP = "whatsapp", _("WhatsApp")
    WECOM = "wecom", _("WeCom")
    PUSH = "push", _("push")
    WEBHOOK = "webhook", _("webhook")
    ON_SITE = "on_site", _("on-site offer")
