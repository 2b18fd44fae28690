"""Previews what an import would bring: the numbers of records, and a few of them checked as the import would."""

from dataclasses import dataclass
from datetime import datetime

from customers.connectors.models import ShopConnection, ShopRecordKind, SyncDifference
from customers.connectors.platforms.base import Connector
from customers.connectors.sync.writing import write_records


@dataclass(frozen=True)
class KindPreview:
    """The preview of one kind. sample: how many were checked; rejected: how many of them could not be imported, with the reasons."""

    kind: str
    label: str
    total: int | None
    sample: int
    rejected: int
    reasons: tuple[str, ...]


def preview_shop(connection: ShopConnection, connector: Connector, *, at: datetime) -> list[KindPreview]:
    """Return the preview of each kind; nothing is written. Raises PlatformError."""
    previews = []
    for kind in ShopRecordKind:
        records = connector.read_sample(kind)
        result = write_records(connection=connection, kind=kind, records=records, at=at, dry_run=True)
        reasons = [item.detail for item in result.differences if item.code == SyncDifference.Code.REJECTED]
        previews.append(
            KindPreview(
                kind=kind,
                label=str(kind.label),
                total=connector.count_records(kind),
                sample=len(records),
                rejected=result.counts["rejected"],
                reasons=tuple(dict.fromkeys(reasons))[:3],
            )
        )
    return previews
