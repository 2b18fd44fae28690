"""Channels whose messages are HTTP requests to a provider: the interface of a provider, and what all providers share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.conf import settings

from recommendations.sending.channels.accounts import Account, find_account
from recommendations.sending.channels.base import ContactLimit, OutgoingMessage, SendJob
from recommendations.sending.transport.journal import SendResult

SMS_OPTIONS = ("template_text", "unsubscribe_text", "part_price")  # used to estimate parts and costs
HOME_CODE = "+86"  # Chinese providers do not accept Chinese and other numbers in one request


@dataclass(frozen=True)
class ProviderRequest:
    """A request that sends one message."""

    url: str
    headers: dict[str, str]
    body: bytes


class Provider(Protocol):
    """One provider: a file of `channels/` with a line in the table of its channel.

    options, secrets: the fields of its account. is_idempotent: whether a repeated request with the same key sends once. batch_size: to
    how many recipients one request can send the same content. retries_alone: whether a message that is tried again gets its own
    request, because one wrong recipient makes the provider refuse the whole request.
    """

    @property
    def key(self) -> str: ...

    @property
    def options(self) -> tuple[str, ...]: ...

    @property
    def secrets(self) -> tuple[str, ...]: ...

    @property
    def is_idempotent(self) -> bool: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def retries_alone(self) -> bool: ...

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest: ...

    def read_answer(self, result: SendResult) -> SendResult:
        """Return the result with the provider's answer interpreted: the provider's message ID, or why the message was refused."""


@dataclass(frozen=True)
class ProviderChannel:
    """A channel with one or several providers, of which the account chooses one."""

    key: str
    purpose: str
    address: str
    providers: Mapping[str, Provider]
    has_quiet_hours: bool = True
    find_contact_limit: Callable[[Account], ContactLimit] | None = None

    @property
    def contact_limit(self) -> ContactLimit | None:
        account = find_account(self.key) if self.find_contact_limit is not None else None
        return self.find_contact_limit(account) if self.find_contact_limit is not None and account is not None else None

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

    def group_messages(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Return groups with the same content and different recipients, as large as the provider allows."""
        provider = self.find_provider()
        size = provider.batch_size if provider is not None else 1
        open_groups: dict[tuple[str, bool], list[OutgoingMessage]] = {}
        groups: list[list[OutgoingMessage]] = []
        for message in messages:
            is_foreign = message.recipient.startswith("+") and not message.recipient.startswith(HOME_CODE)
            key = (message.text, is_foreign)
            group = open_groups.get(key, [])
            is_alone = provider is not None and provider.retries_alone and message.attempt > 1
            if is_alone:
                groups.append([message])
                continue
            if not group or len(group) >= size or message.recipient in {other.recipient for other in group}:
                group = open_groups[key] = []
                groups.append(group)
            group.append(message)
        return groups

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
