"""The cursor of a search page, bound to its search."""

import base64
import binascii
from hashlib import blake2b

from django.utils.translation import gettext as _

from recommendations.serving.search.request import InvalidSearchError, SearchRequest

MAX_OFFSET = 10_000  # the last product that paging can reach


def compute_search_digest(request: SearchRequest) -> str:
    """Return a digest that is the same for all pages of a search and for no other search."""
    text = repr((
        request.q, request.category, request.brand, request.price_min, request.price_max, request.in_stock,
        sorted(request.attributes.items()), request.product_ids, request.sort, request.filter, request.boost,
        request.distinct, request.autocorrect,
    ))  # fmt: skip
    return blake2b(text.encode(errors="replace"), digest_size=6).hexdigest()


def write_cursor(request: SearchRequest, offset: int) -> str:
    """Return the cursor of the page that begins at an offset."""
    return base64.urlsafe_b64encode(f"{offset}.{compute_search_digest(request)}".encode()).decode().rstrip("=")


def read_cursor(request: SearchRequest) -> int:
    """Return the offset of the cursor, 0 without one. Raises InvalidSearchError."""
    if not request.cursor:
        return 0
    message = _("Unknown cursor; use next_cursor from a response to this search, or omit it.")
    invalid_cursor = InvalidSearchError({"cursor": message})
    try:
        text = base64.urlsafe_b64decode(request.cursor.encode("ascii") + b"=" * (-len(request.cursor) % 4)).decode()
        offset, _dot, digest = text.partition(".")
        offset_value = int(offset)
    except (ValueError, binascii.Error) as error:
        raise invalid_cursor from error
    if not 0 < offset_value <= MAX_OFFSET or digest != compute_search_digest(request):
        raise invalid_cursor
    return offset_value
