"""Links to a survey with one question: the link contains who answers about what, encrypted and signed, so nothing is stored before the answer."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

import msgspec
from django.conf import settings
from django.urls import reverse

from customers.feedback.models import SurveyAnswer
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt, encrypt

DEFAULT_LIFETIME = timedelta(days=30)
MAX_LIFETIME = timedelta(days=365)
MAX_TOKEN_LENGTH = 2000
PURPOSE = "survey"  # a token made for another page is no survey link
SCORES = {SurveyAnswer.Kind.NPS.value: range(11), SurveyAnswer.Kind.CSAT.value: range(1, 6)}


class InvalidSurveyLinkError(Exception):
    """The link is damaged or has expired."""


@dataclass(frozen=True)
class SurveyLink:
    """A link. link_id: of its one answer. order_id: of the shop, or "". language: of the page, or "" for that of the browser."""

    kind: str
    link_id: str
    expires_at: datetime
    customer_id: int | None = None
    order_id: str = ""
    language: str = ""
    purpose: str = PURPOSE


def make_survey_link(
    *,
    kind: str,
    customer_id: int | None,
    expires_at: datetime,
    order_id: str = "",
    language: str = "",
    link_id: str = "",
) -> str:
    """Return the public URL of a survey. link_id: links with the same one share an answer; by default each link has its own."""
    if kind not in SCORES:
        raise ValueError(f"Unknown survey type {kind!r}; valid: {', '.join(SCORES)}.")
    link = SurveyLink(kind, link_id or token_urlsafe(16), expires_at, customer_id, order_id[:100], language)
    token = encrypt(msgspec.json.encode(asdict(link)).decode())
    return f"{settings.PUBLIC_URL}{reverse('surveys:answer', args=[token])}"


def read_survey_link(token: str, *, now: datetime) -> SurveyLink:
    """Return the link of a token.

    Raises:
        InvalidSurveyLinkError: the token is damaged, of another page, or has expired.
    """
    try:
        if len(token) > MAX_TOKEN_LENGTH:
            raise ValueError("too long")
        link = msgspec.json.decode(decrypt(token), type=SurveyLink)
    except (UnreadableFieldError, msgspec.DecodeError, ValueError) as error:
        raise InvalidSurveyLinkError from error
    if link.purpose != PURPOSE or link.kind not in SCORES or link.expires_at.astimezone(UTC) <= now:
        raise InvalidSurveyLinkError
    return link
