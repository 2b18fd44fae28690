"""What a bulk write answers: how many items were created, updated, unchanged or rejected, and each one's fate."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ItemStatus(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field of one item."""

    field: str
    code: str
    message: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item; ``key`` is its outside id, empty when it had none."""

    index: int
    key: str
    status: ItemStatus
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of a list of items, in their order."""

    results: tuple[ItemResult, ...]

    def count(self, status: ItemStatus) -> int:
        return sum(result.status is status for result in self.results)

    @property
    def created(self) -> int:
        return self.count(ItemStatus.CREATED)

    @property
    def updated(self) -> int:
        return self.count(ItemStatus.UPDATED)

    @property
    def unchanged(self) -> int:
        return self.count(ItemStatus.UNCHANGED)

    @property
    def rejected(self) -> int:
        return self.count(ItemStatus.REJECTED)

    def count_problems(self) -> Counter[str]:
        """How often each kind of problem occurs, as ``field: code``."""
        return Counter(f"{problem.field}: {problem.code}" for result in self.results for problem in result.problems)

    def as_answer(self, key_name: str) -> dict[str, object]:
        """The answer of a bulk endpoint, with the items' ids under ``key_name``."""
        return {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "results": [serialize_item_result(result, key_name) for result in self.results],
        }


def serialize_item_result(result: ItemResult, key_name: str) -> dict[str, object]:
    return {
        "index": result.index,
        key_name: result.key,
        "status": result.status.value,
        "errors": [{"field": one.field, "code": one.code, "message": one.message} for one in result.problems],
    }


def combine_results(
    *, keys: Sequence[str], problems: Sequence[Sequence[FieldProblem]], written: dict[str, ItemStatus]
) -> BulkResult:
    """Puts the refusals of the cleaning and the outcomes of the writing together, in the items' order.

    Args:
        keys: the outside id of each item.
        problems: what is wrong with each item; empty for those that were written.
        written: outcome of the ids that the database created or changed; the others were unchanged.
    """
    results = []
    for index, (key, wrong) in enumerate(zip(keys, problems, strict=True)):
        status = ItemStatus.REJECTED if wrong else written.get(key, ItemStatus.UNCHANGED)
        results.append(ItemResult(index, key, status, tuple(wrong)))
    return BulkResult(tuple(results))
