"""What is simulated: the size of the shop, its period and its seed; and the random numbers of each of its parts."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import numpy as np

BLOCK = 1_000  # customers whose days are in memory together
PART_BLOCKS = 10  # blocks of one set of files
HORIZONS = (28, 91, 365)  # days after the end whose orders are part of the truth
PURCHASE_DAYS = (7, 30, 60, 90)  # days within which the probability of an order is part of the truth
HORIZON = max(HORIZONS)
LIMITS = {"customers": (1, 100_000_000), "products": (20, 1_000_000), "days": (28, 3_650), "seed": (0, 2**32 - 1)}
CAMPAIGN_DAYS = 28  # between two campaigns
WINDOW = 14  # days in which a campaign has an effect
FIRST_CAMPAIGN_DAY = 56
MAX_CAMPAIGNS = 12


class ImpossiblePlanError(ValueError):
    """No such shop can be simulated."""


@dataclass(frozen=True)
class ShopPlan:
    """The arguments of a simulation. Equal plans give equal files.

    until: the day after the last day of the history.
    """

    customers: int
    products: int
    days: int
    seed: int
    until: date

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ImpossiblePlanError(f"--{name} {value} is not between {low:,} and {high:,}.")
        try:
            first = self.until - timedelta(days=self.days)
            begin = f"on {first}"
        except OverflowError:
            first, begin = date.min, "before the year 1"
        if first.year < 1990:
            raise ImpossiblePlanError(
                f"--until {self.until} and --days {self.days} begin {begin}; choose a period that begins in 1990 or later."
            )

    @property
    def all_days(self) -> int:
        """Days of history and future."""
        return self.days + HORIZON

    @property
    def blocks(self) -> int:
        return -(-self.customers // BLOCK)

    @property
    def parts(self) -> int:
        return -(-self.blocks // PART_BLOCKS)

    @property
    def start(self) -> datetime:
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC) - timedelta(days=self.days)

    @property
    def start_ms(self) -> int:
        return int(self.start.timestamp()) * 1_000

    @property
    def dates(self) -> np.ndarray[Any, np.dtype[np.datetime64]]:
        """All days of history and future, shape (all_days,)."""
        return np.datetime64(self.start.date()) + np.arange(self.all_days)

    @property
    def campaign_days(self) -> list[int]:
        """First days of campaigns whose windows end within the history: the latest ones."""
        days = range(FIRST_CAMPAIGN_DAY, self.days - WINDOW + 1, CAMPAIGN_DAYS)
        return list(days)[-MAX_CAMPAIGNS:]

    def list_blocks(self, part: int) -> range:
        return range(part * PART_BLOCKS, min((part + 1) * PART_BLOCKS, self.blocks))

    def get_first_customer(self, block: int) -> int:
        return block * BLOCK

    def count_customers(self, block: int) -> int:
        return min(BLOCK, self.customers - block * BLOCK)

    def make_generator(self, topic: str, block: int = 0) -> np.random.Generator:
        """Return random numbers that depend on seed, topic and block alone, so blocks can be drawn in any order."""
        words = np.frombuffer(topic.encode().ljust(16)[:16], np.uint32).tolist()
        return np.random.default_rng(np.random.SeedSequence([self.seed, block, *words]))

    @property
    def fingerprint(self) -> str:
        """Eight characters that depend on all arguments: part of the IDs of messages, orders and reviews.

        Two simulations in one shop share customers and products, but without it, the collector would take messages of the second for
        repeated ones of the first, and its orders and reviews would replace those of the first.
        """
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:8]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"until": self.until.isoformat()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**{**values, "until": date.fromisoformat(values["until"])})
