"""What a load reports, and the sizes and schemas that its steps share."""

from dataclasses import dataclass, field

import pyarrow as pa

COPY_ROWS = 131_072
# database IDs by the numbers of the file: ``seq`` numbers its orders, ``key`` its products or customers
SEQ_IDS = pa.schema([("seq", pa.int64()), ("id", pa.int64())])
KEY_IDS = pa.schema([("key", pa.int64()), ("id", pa.int64())])


@dataclass
class LoadResult:
    """What a load changed.

    The keys of ``counts`` are those of ``COUNT_LABELS``, and ``lines_unchanged``.
    """

    counts: dict[str, int] = field(default_factory=dict)

    @property
    def loaded(self) -> int:
        return self.counts["lines_created"] + self.counts["lines_updated"]

    @property
    def unchanged(self) -> int:
        return self.counts["lines_unchanged"]
