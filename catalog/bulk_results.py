"""The result of a bulk write: the status of each item and the counts per status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rest_framework.exceptions import ErrorDetail


class ItemStatus(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A problem with one field of one item."""

    field: str
    code: str
    message: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The status of one item; ``key`` is its external id, empty when the item had none."""

    index: int
    key: str
    status: ItemStatus
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The results of a list of items, in their order.

    inactive: of products, how many are inactive and stay so, because their items do not say otherwise.
    """

    results: tuple[ItemResult, ...]
    inactive: int = 0

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
        """Return the number of problems per ``field: code``."""
        return Counter(f"{problem.field}: {problem.code}" for result in self.results for problem in result.problems)

    def build_response(self, key_name: str) -> dict[str, object]:
        """Return the body of a bulk endpoint's response.

        ``key_name`` is the field of the items' IDs.
        """
        return {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "results": [serialize_item_result(result, key_name) for result in self.results],
        }


def build_field_errors(problems: Sequence[FieldProblem]) -> dict[str, list[ErrorDetail]]:
    """Return the problems of one object as the errors of its fields."""
    errors: dict[str, list[ErrorDetail]] = {}
    for problem in problems:
        errors.setdefault(problem.field, []).append(ErrorDetail(problem.message, problem.code))
    return errors


def serialize_item_result(result: ItemResult, key_name: str) -> dict[str, object]:
    return {
        "index": result.index,
        key_name: result.key,
        "status": result.status.value,
        "errors": [
            {"field": problem.field, "code": problem.code, "message": problem.message} for problem in result.problems
        ],
    }


def combine_results(
    *, keys: Sequence[str], problems: Sequence[Sequence[FieldProblem]], written: dict[str, ItemStatus]
) -> BulkResult:
    """Combine the problems of the items with the outcomes of their write, in the items' order.

    Args:
        keys: the external id of each item.
        problems: the problems of each item; empty for the items that were written.
        written: the status of the ids that the database created or changed; all others are unchanged.
    """
    results = []
    for index, (key, item_problems) in enumerate(zip(keys, problems, strict=True)):
        status = ItemStatus.REJECTED if item_problems else written.get(key, ItemStatus.UNCHANGED)
        results.append(ItemResult(index, key, status, tuple(item_problems)))
    return BulkResult(tuple(results))
