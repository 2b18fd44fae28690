"""Who asks: a person in the back office, an API key, or a program that a person has connected; and what they may read and draft."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from config.access.grants import Grant
from customers.identity.personal_data.masking import PERSONAL_SCOPE


class ToolError(Exception):
    """An invalid call; the message tells the caller how to correct it."""


class MissingScopeError(ToolError):
    """The caller may not do this."""

    def __init__(self, scope: str) -> None:
        super().__init__(_("This needs the permission %(scope)s.") % {"scope": scope})


@dataclass(frozen=True)
class AssistantCaller:
    """The request that is being served, and its grant, which is that of REST: the tools allow nothing that REST would not.

    wait_seconds: how long to wait for figures that are computed in the background; pages do not wait but ask again.
    """

    request: HttpRequest
    grant: Grant
    wait_seconds: float = 0.0

    def may(self, scope: str) -> bool:
        return scope in self.grant.scopes

    def require(self, scope: str) -> None:
        """Raise MissingScopeError without a scope."""
        if not self.may(scope):
            raise MissingScopeError(scope)

    @property
    def with_personal(self) -> bool:
        """Whether personal data is shown unmasked."""
        return self.may(PERSONAL_SCOPE)

    def make_url(self, path: str) -> str:
        """Return the address of a page of the back office, or an empty text for none."""
        return self.request.build_absolute_uri(path) if path else ""
