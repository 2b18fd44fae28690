"""What a page shows of a result: a sentence, charts with their tables, and rows for a CSV file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import cached_property

from config.foundation.charts import ChartSpec
from customers.analytics.backoffice.addresses import make_people_url
from customers.analytics.backoffice.event_texts import read_cluster_names
from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.parameters import hash_parameters
from customers.identity.personal_data.masking import is_personal_id


@dataclass(frozen=True)
class ResultContext:
    """What the texts and links of a result depend on.

    Attributes:
        parameters: of the question. options: what the page shows of it, such as the measure. segments: names by key.
        may_list: the reader may see who the people are. marks: annotated days, as ISO date and text.
    """

    question: str
    parameters: Any
    options: Mapping[str, Any]
    as_of: datetime
    with_personal: bool = False
    may_list: bool = True
    segments: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    marks: Sequence[tuple[str, str]] = ()

    @cached_property
    def key(self) -> str:
        return hash_parameters(self.parameters)

    @cached_property
    def clusters(self) -> Mapping[str, str]:
        """The names of clusters, if the result is split by cluster."""
        return read_cluster_names(getattr(self.parameters, "breakdown", None))

    def link(self, selection: Mapping[str, Any], people: float | None = 1) -> str:
        """Return the URL of the people of a figure; none for a figure without people."""
        if not people or not self.may_list:
            return ""
        group = selection.get("group") or {}
        if not self.with_personal and is_personal_id(group.get("label") or ""):
            return ""
        return make_people_url(self.question, self.key, selection, as_of=self.as_of)


@dataclass(frozen=True)
class ResultChart:
    """A chart under a heading."""

    id: str
    title: str
    spec: ChartSpec
    height: str = "medium"
    note: str = ""


@dataclass(frozen=True)
class ResultView:
    """A result as a page shows it; ``is_empty``: nothing matched."""

    sentence: str
    charts: Sequence[ResultChart]
    is_empty: bool = False


def select_group(group: GroupKey | None) -> dict[str, Any]:
    """Return the part of a selection that names a group."""
    return {} if group is None else {"group": {"label": group.label, "is_other": group.is_other}}
