"""The channels on which messages are sent."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Channel(models.TextChoices):
    """A way to reach a customer."""

    EMAIL = "email", _("email")
    SMS = "sms", _("SMS")
    WHATSAPP = "whatsapp", _("WhatsApp")
    WECOM = "wecom", _("WeCom")
    PUSH = "push", _("push")
    WEBHOOK = "webhook", _("webhook")
    ON_SITE = "on_site", _("on-site offer")
