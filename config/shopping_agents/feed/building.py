"""Builds the product feed: `products.jsonl.gz` and `metadata.json` of ACP's file ingestion, each replaced as a whole.

A file is written next to the published one and renamed when it is complete, so that a build that is killed leaves the old one. Nothing is
built while the catalog and the settings are what the published feed was built from.
"""

import gzip
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

import msgspec
from django.conf import settings
from django.db.models import Min

from catalog.fingerprint import read_catalog_fingerprint
from catalog.models import Product
from config.foundation.files.mirrored_file import MirroredFile
from config.foundation.shop.profile import get_shop
from config.shopping_agents.catalog_products import ProductReader
from config.shopping_agents.models import SINGLETON_ID, AgentFeedFile, AgentFeedSettings, load_feed_file, load_settings
from config.shopping_agents.product_documents import build_acp_product

logger = logging.getLogger(__name__)

FORMAT = 2  # raised when the documents change, so that an upgrade builds the feed again
PRODUCTS, METADATA = "products.jsonl.gz", "metadata.json"
COMPRESSION = 6


@dataclass(frozen=True)
class FeedBuild:
    """The result of `build_feed`: whether a new feed was published."""

    is_new: bool
    products: int = 0
    variants: int = 0


def get_feed_folder() -> Path:
    return Path(settings.VAR_DIR) / "agent-feed"


def mirror_feed(name: str) -> MirroredFile:
    """Return a file of the feed that is shared between machines with folders of their own."""
    return MirroredFile(f"agent-feed/{name}", get_feed_folder() / name)


def build_feed(*, now: datetime) -> FeedBuild:
    """Publish a new feed if the catalog or the settings have changed; without the setting, delete it."""
    feed_settings = load_settings()
    if not feed_settings.is_enabled:
        delete_feed()
        return FeedBuild(False)
    fingerprint = compute_fingerprint(feed_settings, now=now)
    published = load_feed_file()
    folder = get_feed_folder()
    for name in (PRODUCTS, METADATA):
        mirror_feed(name).update(at_once=True)  # another machine may have built it
    if published is not None and published.fingerprint == fingerprint and (folder / PRODUCTS).is_file():
        return FeedBuild(False, published.products, published.variants)
    folder.mkdir(parents=True, exist_ok=True)
    for draft in folder.glob("*.draft"):  # of a build that was killed; the task never runs twice at the same time
        draft.unlink(missing_ok=True)
    products = variants = 0
    seller = get_shop().name
    reader = ProductReader(feed_settings, now)
    encoder = msgspec.json.Encoder()
    with replace_file(folder / PRODUCTS) as file, gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as compressed:
        for product in reader.read_all():
            compressed.write(encoder.encode(build_acp_product(product, seller=seller)) + b"\n")
            products += 1
            variants += len(product.variants)
    with replace_file(folder / METADATA) as file:
        file.write(encoder.encode(build_metadata(feed_settings, now=now)))
    for name in (PRODUCTS, METADATA):
        mirror_feed(name).publish()
    AgentFeedFile.objects.update_or_create(
        pk=SINGLETON_ID,
        defaults={
            "built_at": now,
            "fingerprint": fingerprint,
            "products": products,
            "variants": variants,
            "size": (folder / PRODUCTS).stat().st_size,
            "left_out": dict(reader.left_out),
        },
    )
    return FeedBuild(True, products, variants)


def build_metadata(feed_settings: AgentFeedSettings, *, now: datetime) -> dict[str, str]:
    """Return the `FeedMetadata` of ACP."""
    country = {"target_country": feed_settings.target_country} if feed_settings.target_country else {}
    name = sha256(settings.PUBLIC_URL.encode()).hexdigest()[:12]
    return {"id": f"feed_{name}", **country, "updated_at": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def compute_fingerprint(feed_settings: AgentFeedSettings, *, now: datetime) -> str:
    """Return a value that changes whenever the feed would; computing it takes two queries instead of reading each product's texts."""
    # when a publication date passes, no product changes, but the next date does
    upcoming = Product.objects.active().filter(published_at__gt=now).aggregate(next=Min("published_at"))
    parts = [
        FORMAT, get_shop().name, feed_settings.includes_sold_out, feed_settings.target_country, settings.PRODUCT_URL,
        settings.PUBLIC_URL, ",".join(sorted(settings.PUBLIC_ATTRIBUTES)), *read_catalog_fingerprint(), upcoming["next"],
    ]  # fmt: skip
    return sha256(repr(parts).encode()).hexdigest()


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of another one when it is complete; after an error, the old one stays."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def delete_feed() -> None:
    """Delete the published feed, and drafts of builds that were killed."""
    folder = get_feed_folder()
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
    for name in (PRODUCTS, METADATA):
        mirror_feed(name).withdraw()
    AgentFeedFile.objects.all().delete()
