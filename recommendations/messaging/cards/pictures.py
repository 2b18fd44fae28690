"""The pictures of products: downloaded from public addresses only, kept for a day, and replaced by the placeholder if that fails."""

import logging
import threading
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.cache import cache

from catalog.placeholder_images.png import draw_placeholder_png, is_svg
from config.foundation.files.safe_download import DownloadError, download_file
from recommendations.messaging.cards.drawing import draw_card, read_picture
from recommendations.messaging.substitution.fragments import format_price_text
from recommendations.serving.state.product_index import ProductCard

logger = logging.getLogger(__name__)
MAX_BYTES = 3_000_000
SECONDS = 4.0
KEPT_SECONDS = 24 * 3600
FAILED_SECONDS = 600  # after which a picture that could not be loaded is tried again
DOWNLOADS = threading.BoundedSemaphore(4)  # simultaneous ones in a process; further pictures show the placeholder


def draw_product(card: ProductCard, *, language: str) -> bytes:
    """Return the card of a product as PNG, kept for a day."""
    price = format_price_text(card.price, card.currency, language)
    details = "\n".join((card.image_url, card.title, card.category, price))
    key = f"product-card:{sha256(details.encode()).hexdigest()}"
    if isinstance(kept := read_kept(key), bytes):
        return kept
    picture = load_picture(card.image_url) if card.image_url and not is_svg(card.image_url) else b""
    own = picture or draw_placeholder_png(category=card.category, title=card.title)
    image = draw_card(picture=own, title=card.title, price=price)
    keep(key, image, KEPT_SECONDS if picture or not card.image_url else FAILED_SECONDS)
    return image


def load_picture(url: str) -> bytes:
    """Download the picture of a product; b"" if that fails, or if too many are being loaded."""
    if not DOWNLOADS.acquire(blocking=False):
        return b""
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "picture"
            download_file(url=url, path=path, max_bytes=MAX_BYTES, seconds=SECONDS)
            data = path.read_bytes()
        read_picture(data)
    except (DownloadError, OSError) as error:
        logger.info("The picture of a product cannot be shown in a message: %s", error)
        return b""
    finally:
        DOWNLOADS.release()
    return data


def read_kept(key: str) -> object:
    try:
        return cache.get(key)
    except Exception:
        logger.warning("A cached picture cannot be read; it is drawn again.", exc_info=True)
        return None


def keep(key: str, image: bytes, seconds: int) -> None:
    try:
        cache.set(key, image, seconds)
    except Exception:
        logger.warning("A picture cannot be kept.", exc_info=True)
