"""The synonyms of the database in the form search uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Max

from recommendations.engine.text_search import Synonyms
from recommendations.serving.search.models import Synonym
from recommendations.serving.search.queries.builtin_synonyms import read_builtin_synonyms

type Fingerprint = tuple[int, datetime | None]
NO_SYNONYMS = Synonyms()


@dataclass(frozen=True, eq=False)
class SynonymTable:
    """The enabled synonyms.

    by_language: for each language with its own synonyms, combined with those for all languages, which are under "".
    """

    fingerprint: Fingerprint = (0, None)
    by_language: Mapping[str, Synonyms] = field(default_factory=dict)

    def get_for_language(self, language: str) -> Synonyms:
        """Return the synonyms of a language code such as en, en-gb or zh-hans."""
        return self.by_language.get(get_base_language(language)) or self.by_language.get("", NO_SYNONYMS)


def get_base_language(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


def read_fingerprint() -> Fingerprint:
    """Return a value that changes with every change of a synonym; one query."""
    totals = Synonym.objects.aggregate(count=Count("id"), newest=Max("updated_at"))
    return totals["count"], totals["newest"]


def load_synonyms() -> SynonymTable:
    """Return all enabled synonyms, and the built-in ones that the back office has not replaced."""
    # read first, so that the next comparison notices a change during the load
    fingerprint = read_fingerprint()
    rows = list(
        Synonym.objects.order_by("id").values_list("terms", "replacements", "language", "builtin_key", "enabled")
    )
    replaced = {key for *_texts, key, _enabled in rows if key}
    builtin = [group for group in read_builtin_synonyms() if group.key not in replaced]
    enabled = [(terms, others, language) for terms, others, language, _key, is_enabled in rows if is_enabled]
    languages = {"", *(get_base_language(language) for _terms, _others, language in enabled)}
    return SynonymTable(
        fingerprint,
        {
            base: Synonyms.of(
                [
                    *(
                        (terms, others)
                        for terms, others, language in enabled
                        if get_base_language(language) in ("", base)
                    ),
                    *builtin,
                ]
            )
            for base in languages
        },
    )


def copy_builtin_synonym(key: str) -> Synonym:
    """Copy a built-in group into the database, where it replaces the original; an existing copy is returned unchanged.

    Raises:
        KeyError: there is no such group.
    """
    group = {group.key: group for group in read_builtin_synonyms()}[key]
    existing = Synonym.objects.filter(builtin_key=key).first()
    if existing is not None:
        return existing
    # the shop may have made the same group itself, which then becomes the copy
    synonym, _created = Synonym.objects.update_or_create(
        terms=list(group.terms),
        language="",
        defaults={"builtin_key": key},
        create_defaults={"replacements": list(group.replacements), "builtin_key": key},
    )
    return synonym
