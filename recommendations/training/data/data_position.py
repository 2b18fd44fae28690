"""Records which events and orders the data of a model contain, so that later ones can be added, and none twice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from customers.warehouse.current_tables import CurrentWarehouse

NO_ID = 2**62  # larger than any ID, so that only times tell what is new


@dataclass(frozen=True)
class DataPosition:
    """The events and orders in the data of a model.

    known_until: seconds since 1970; every event received before then is in the data, whatever its source. first_new_event,
    first_new_order: the smallest IDs that events and orders stored since then can have.
    """

    known_until: float
    first_new_event: int = NO_ID
    first_new_order: int = NO_ID

    @classmethod
    def of(cls, tables: CurrentWarehouse) -> Self:
        """Return the position of what these tables contain."""
        largest_order = tables["orders"].id.max().to_pyarrow().as_py()
        return cls(
            tables.position.received_before.timestamp(),
            tables.position.first_new_id,
            int(largest_order or 0) + 1,
        )

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the position of a model artifact; releases before this one recorded only as_of."""
        position = saved.get("position")
        return cls(**position) if position is not None else cls(saved["as_of"])

    @property
    def known_until_moment(self) -> datetime:
        return datetime.fromtimestamp(self.known_until, UTC)

    def to_json(self) -> dict[str, float]:
        """Return the values to save."""
        return asdict(self)
