"""The synonyms of the database, as search uses them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Max

from recommendations.engine.text_search import Synonyms
from recommendations.serving.search.models import Synonym

type Fingerprint = tuple[int, datetime | None]
NONE = Synonyms()


@dataclass(frozen=True, eq=False)
class SynonymTable:
    """by_language: those for readers of each language that has its own, together with those for all, which stand at ""."""

    fingerprint: Fingerprint = (0, None)
    by_language: Mapping[str, Synonyms] = field(default_factory=dict)

    def of(self, language: str) -> Synonyms:
        """Of a code such as en, en-gb or zh-hans."""
        return self.by_language.get(base_of(language)) or self.by_language.get("", NONE)


def base_of(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


def fingerprint() -> Fingerprint:
    """What changes with every change of a synonym, by one query."""
    found = Synonym.objects.aggregate(count=Count("id"), newest=Max("updated_at"))
    return found["count"], found["newest"]


def load_synonyms() -> SynonymTable:
    marked = fingerprint()
    rows = list(Synonym.objects.filter(enabled=True).order_by("id").values_list("terms", "replacements", "language"))
    languages = {"", *(base_of(language) for _terms, _replacements, language in rows)}
    return SynonymTable(
        marked,
        {
            wanted: Synonyms.of(
                (terms, others) for terms, others, language in rows if base_of(language) in ("", wanted)
            )
            for wanted in languages
        },
    )
