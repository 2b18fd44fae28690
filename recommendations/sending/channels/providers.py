"""Channels whose messages are HTTP requests to a provider: the shape of a provider, and what all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.conf import settings

from recommendations.sending.channels.accounts import Account, find_account
from recommendations.sending.channels.base import OutgoingMessage, SendJob
from recommendations.sending.transport.journal import SendResult


@dataclass(frozen=True)
class ProviderRequest:
    """A request that sends one message."""

    url: str
    headers: dict[str, str]
    body: bytes


class Provider(Protocol):
    """One provider: a file of `channels/` with a line in the table of its channel.

    options, secrets: the fields of its account. is_idempotent: whether a repeated request with the same key sends once.
    """

    @property
    def key(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...

    @property
    def secrets(self) -> tuple[str, ...]: ...

    @property
    def is_idempotent(self) -> bool: ...

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest: ...

    def read_answer(self, result: SendResult) -> SendResult:
        """Return the result with the answer of the provider understood: its ID of the message, or why it was refused."""


@dataclass(frozen=True)
class ProviderChannel:
    """A channel with one or several providers, of which the account chooses one."""

    key: str
    purpose: str
    address: str
    providers: Mapping[str, Provider]
    has_quiet_hours: bool = True
    monthly_limit: int = 0

    @property
    def is_idempotent(self) -> bool:
        provider = self.find_provider()
        return provider is not None and provider.is_idempotent

    def find_provider(self) -> Provider | None:
        account = find_account(self.key)
        return self.providers.get(account.provider) if account is not None else None

    def uses_outbox(self) -> bool:
        return settings.DEMO or self.find_provider() is None

    def get_process_options(self) -> dict[str, Any]:
        return {
            "http": {"private_hosts": settings.WEBHOOK_PRIVATE_HOSTS},
            "connections": settings.SENDING_CONNECTIONS,
        }

    def build_job(self, message: OutgoingMessage) -> SendJob:
        account, provider = find_account(self.key), self.find_provider()
        if account is None or provider is None:
            raise LookupError(f"The channel {self.key} has no account.")
        request = provider.build_request(message, account)
        header = {"kind": "http", "url": request.url, "headers": request.headers}
        return SendJob({**header, "is_idempotent": provider.is_idempotent}, request.body)

    def read_result(self, result: SendResult) -> SendResult:
        provider = self.find_provider()
        if provider is None or not result.code:
            return result
        understood = provider.read_answer(result)
        return replace(understood, text="" if understood.outcome == "sent" else understood.text[:500])
