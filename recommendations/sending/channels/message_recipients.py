"""Who gets personal data when messages are sent: the providers of the channels in use."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from config.foundation.privacy_facts.registry import RecipientFact
from recommendations.sending.channels.account_fields import PROVIDER_LABELS
from recommendations.sending.models import ChannelAccount

COUNTRIES = {"twilio": "US", "aliyun": "CN", "tencent": "CN", "wecom": "CN"}


def list_message_recipients() -> Iterator[RecipientFact]:
    """Yield the provider of each channel with an account, and the mail server."""
    if settings.EMAIL_HOST not in ("", "localhost", "127.0.0.1"):
        data = _("email address, language, content of the message")
        yield RecipientFact("channel.email", settings.EMAIL_HOST, _("Sends emails"), data)
    for account in ChannelAccount.objects.order_by("channel"):
        name = str(PROVIDER_LABELS.get(account.provider, account.provider))
        yield RecipientFact(
            f"channel.{account.channel}.{account.provider}",
            name,
            _("Delivers messages: %(channel)s") % {"channel": account.channel},
            _("phone number or push address, content of the message"),
            COUNTRIES.get(account.provider, ""),
        )
