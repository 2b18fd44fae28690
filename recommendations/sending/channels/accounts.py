"""The accounts of channels at their providers, cached for some seconds in each process."""

import json
from dataclasses import dataclass, field
from typing import Any

from config.foundation.ttl_cache import TtlCache
from recommendations.sending.models import ChannelAccount


@dataclass(frozen=True)
class Account:
    """How to reach a provider. options: what may be shown, such as a sender; secrets: keys and passwords."""

    channel: str
    provider: str
    options: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict)


def _load_account(channel: str) -> Account | None:
    stored = ChannelAccount.objects.filter(channel=channel).first()
    if stored is None:
        return None
    secrets = json.loads(stored.secrets) if stored.secrets else {}
    return Account(channel, stored.provider, stored.options, secrets)


_cache: TtlCache[Account] = TtlCache(_load_account)


def find_account(channel: str) -> Account | None:
    """Return the account of a channel; None if there is none, so that its messages go to the outbox."""
    return _cache.get(channel)


def save_account(channel: str, *, provider: str, options: dict[str, Any], secrets: dict[str, Any]) -> ChannelAccount:
    """Store the account of a channel; secrets that are not given stay, unless they are those of another provider."""
    account = ChannelAccount.objects.filter(channel=channel).first() or ChannelAccount(channel=channel)
    if account.provider != provider:
        account.secrets = ""
    account.provider, account.options = provider, options
    account.update_secrets({name: value for name, value in secrets.items() if value})
    account.save()
    forget_accounts()
    return account


def remove_account(channel: str) -> None:
    """Forget the account of a channel with its secrets."""
    ChannelAccount.objects.filter(channel=channel).delete()
    forget_accounts()


def forget_accounts() -> None:
    """Drop the cache of this process; others see a change after some seconds."""
    _cache.forget()
