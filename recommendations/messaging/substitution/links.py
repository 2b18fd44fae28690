"""The links of a message, which `recommendations.sending` signs."""

from collections.abc import Mapping
from typing import Protocol


class LinkBuilder(Protocol):
    """Builds the URLs of one delivery."""

    def click(self, url: str, label: str) -> str:
        """Return the URL that counts a click and leads to `url`."""

    def open_pixel(self) -> str:
        """Return the URL of the image that counts an open; "" for none."""

    def unsubscribe(self) -> str: ...

    def preferences(self) -> str: ...

    def view_in_browser(self) -> str: ...

    def survey(self, kind: str, *, customer_id: int, order_id: str, language: str) -> str:
        """Return the URL of a survey with one question: nps or csat."""

    def product_image(self, row: str, index: int) -> str:
        """Return the URL of the image of a product that is chosen when the message is opened."""

    def product_link(self, row: str, index: int) -> str:
        """Return the URL that counts a click and leads to the product of that image; "" if the link of the product chosen at send time is used."""

    def absolute(self, path: str) -> str:
        """Return the public URL of a path of this server, such as that of the logo."""


class PreviewLinks:
    """Links of a preview: real targets, and nothing is counted.

    cards: the paths of the images of products that are chosen when a message is opened, by row and position.
    """

    def __init__(self, base_url: str = "", cards: Mapping[tuple[str, int], str] | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.cards = cards or {}

    def click(self, url: str, label: str) -> str:
        return url

    def open_pixel(self) -> str:
        return ""

    def unsubscribe(self) -> str:
        return "#unsubscribe"

    def preferences(self) -> str:
        return "#preferences"

    def view_in_browser(self) -> str:
        return "#view-in-browser"

    def survey(self, kind: str, *, customer_id: int, order_id: str, language: str) -> str:
        return f"#survey-{kind}"

    def product_image(self, row: str, index: int) -> str:
        path = self.cards.get((row, index), "")
        return self.absolute(path) if path else ""

    def product_link(self, row: str, index: int) -> str:
        return ""

    def absolute(self, path: str) -> str:
        return f"{self.base_url}{path}"
