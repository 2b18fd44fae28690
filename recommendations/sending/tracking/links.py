"""The links that a message contains: signed, and with the parameters by which the shop recognizes a click."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.utils import timezone

from customers.feedback.survey_links.links import DEFAULT_LIFETIME, make_survey_link
from recommendations.sending.tracking import tokens

MAX_TOKEN = 1900


@dataclass(frozen=True)
class DeliveryLinks:
    """Builds the links of one delivery; `LinkBuilder` of messaging. campaign: the value of utm_campaign."""

    delivery_id: int
    channel: str
    campaign: str

    def click(self, url: str, label: str) -> str:
        """Return the link that counts the click and leads to the URL.

        A URL that is not http(s) is returned unchanged; a very long one is not counted, because mail programs break such links.
        """
        if not url.startswith(("http://", "https://")):
            return url
        target = add_campaign_parameters(url, medium=self.channel, campaign=self.campaign, content=label)
        token = tokens.make_token(tokens.CLICK, self.delivery_id, target)
        return self._build("c", token) if len(token) <= MAX_TOKEN else target

    def open_pixel(self) -> str:
        return f"{self._build('o', tokens.make_token(tokens.OPEN, self.delivery_id))}.gif"

    def unsubscribe(self) -> str:
        return self._build("u", tokens.make_token(tokens.UNSUBSCRIBE, self.delivery_id))

    def preferences(self) -> str:
        return self._build("p", tokens.make_token(tokens.PREFERENCES, self.delivery_id))

    def view_in_browser(self) -> str:
        return self._build("v", tokens.make_token(tokens.VIEW, self.delivery_id))

    def survey(self, kind: str, *, customer_id: int, order_id: str, language: str) -> str:
        """Return the link to a survey; all links of a delivery share one answer, however often it is rendered."""
        return make_survey_link(
            kind=kind,
            customer_id=customer_id,
            expires_at=timezone.now() + DEFAULT_LIFETIME,
            order_id=order_id,
            language=language,
            link_id=f"delivery-{self.delivery_id}-{kind}",
        )

    def product_image(self, row: str, index: int) -> str:
        return self._build("i", tokens.make_token(tokens.IMAGE, self.delivery_id, f"{row}:{index}"))

    def product_link(self, row: str, index: int) -> str:
        return self._build("r", tokens.make_token(tokens.PRODUCT, self.delivery_id, f"{row}:{index}"))

    def absolute(self, path: str) -> str:
        return f"{settings.PUBLIC_URL}{path}"

    def _build(self, page: str, token: str) -> str:
        return f"{settings.PUBLIC_URL}/m/{page}/{token}"


def remove_token(url: str) -> str:
    """Return the URL of a click as it is stored: without the token of a page of the message, which only the customer may have."""
    pages = f"{settings.PUBLIC_URL}/m/"
    return f"{pages}{url.removeprefix(pages).partition('/')[0]}/" if url.startswith(pages) else url


def add_campaign_parameters(url: str, *, medium: str, campaign: str, content: str) -> str:
    """Return the URL with utm parameters, unless it has its own; they name the message and the link, never the person."""
    parts = urlsplit(url)
    present = {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    wanted = {"utm_source": "perennial", "utm_medium": medium, "utm_campaign": campaign, "utm_content": content[:100]}
    added = urlencode({name: value for name, value in wanted.items() if value and name not in present})
    query = f"{parts.query}&{added}" if parts.query and added else parts.query or added
    return urlunsplit(parts._replace(query=query))
