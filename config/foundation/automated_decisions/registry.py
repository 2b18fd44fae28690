"""The registry of automated decisions: what is decided about people, by which logic, and how a person objects.

GDPR, Articles 13(2)(f), 15(1)(h) and 22; PIPL, Article 24. An app registers a `DecisionExplainer` when it is ready; the privacy page of a
customer, their export and the privacy policy use the same list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext as _


class Objection(StrEnum):
    """The objection with which a person ends a kind of decision."""

    PROFILING = "profiling"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one person, in the active language.

    Attributes:
        at: when it was made; None if it is made again with each request.
        text: what was decided.
        version: of the model or rule that decided.
        reasons: why, the most important first.
    """

    text: str
    at: datetime | None = None
    version: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DecisionExplainer:
    """A kind of decision.

    Attributes:
        key: unique, such as "messages".
        logic: how it is decided, in plain words for the person.
        data: which data it uses, in plain words.
        objection: what ends it.
        explain: returns the latest decisions about the customer with a number, at most ``limit``, the newest first; the active language
            is that of the reader.
    """

    key: str
    label: str | Promise
    logic: str | Promise
    data: str | Promise
    objection: Objection
    order: int
    explain: Callable[[int, datetime, int], Sequence[Decision]]

    def describe(self) -> str:
        """Return how it is decided and from which data, as two sentences."""
        return _("%(first)s %(second)s") % {"first": self.logic, "second": self.data}


_explainers: dict[str, DecisionExplainer] = {}


def register_explainer(explainer: DecisionExplainer) -> None:
    """Add a kind of decision; one with the same key replaces the earlier one."""
    _explainers[explainer.key] = explainer


def list_explainers() -> list[DecisionExplainer]:
    """Return all kinds of decisions in their order."""
    return sorted(_explainers.values(), key=lambda explainer: (explainer.order, explainer.key))


def explain_decisions(
    *, customer_id: int, as_of: datetime, limit: int
) -> list[tuple[DecisionExplainer, list[Decision]]]:
    """Return each kind of decision with the latest ones about a customer, also those without any."""
    return [(each, list(each.explain(customer_id, as_of, limit))[:limit]) for each in list_explainers()]
