"""The published versions of the privacy policy: freezing the text, what has changed since, and asking for consent again."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation

from config.foundation.audit_log import record_action
from config.foundation.ttl_cache import TtlCache
from customers.identity.consent.regions import Purpose, forget_consent_rules, get_consent_rules, load_consent_settings
from customers.policy.document.sections import build_sections
from customers.policy.models import PolicyVersion

# a change of these sections changes what people have consented to
MATERIAL_SECTIONS = ("purposes", "consent", "recipients", "transfers", "decisions")
type Section = dict[str, Any]


@dataclass(frozen=True)
class SectionChange:
    """A section that differs from the last version. lines: ("+", "-" or " ", text)."""

    key: str
    title: str
    lines: list[tuple[str, str]]

    @property
    def is_material(self) -> bool:
        return self.key in MATERIAL_SECTIONS


def build_texts() -> dict[str, list[Section]]:
    """Return the sections in every language, from what is configured now."""
    texts = {}
    for code, _label in settings.LANGUAGES:
        with translation.override(code):
            texts[code] = build_sections(code)
    return texts


def compute_fingerprint(texts: dict[str, list[Section]]) -> str:
    """Return the SHA-256 of the texts as canonical JSON."""
    return sha256(json.dumps(texts, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def get_latest_version() -> PolicyVersion | None:
    return PolicyVersion.objects.first()


def get_version_number() -> str:
    """Return the number of the version in force, for entries of the consent ledger; "" before the first; cached for some seconds."""
    return _cache.get("") or ""


def forget_version() -> None:
    """Drop the cached number of this process; others see a change after some seconds."""
    _cache.forget()


def _load_number(_key: str) -> str:
    number = PolicyVersion.objects.order_by("-number").values_list("number", flat=True).first()
    return "" if number is None else str(number)


def compare_texts(before: Sequence[Section], after: Sequence[Section]) -> list[SectionChange]:
    """Return the sections that differ, in the order of the new text; those that are gone come last."""
    old = {section["key"]: section for section in before}
    new = {section["key"]: section for section in after}
    changes = []
    for key in [*new, *(key for key in old if key not in new)]:
        lines = list_differences(old.get(key, {}).get("lines", []), new.get(key, {}).get("lines", []))
        if any(mark != " " for mark, _text in lines):
            changes.append(SectionChange(key, (new.get(key) or old[key])["title"], lines))
    return changes


def list_differences(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
    """Return the lines of both texts: removed ones with "-", added ones with "+", others with " "."""
    return [(line[0], line[2:]) for line in difflib.ndiff(list(before), list(after)) if line[0] in "+- "]


@transaction.atomic
def publish_policy(*, by: str, at: datetime, note: str, is_material: bool, asks_again: bool) -> PolicyVersion:
    """Freeze the current text as a new version. With `asks_again`, earlier consents become outdated where the region requires consent."""
    latest = PolicyVersion.objects.select_for_update().first()
    texts = build_texts()
    version = PolicyVersion.objects.create(
        number=latest.number + 1 if latest else 1,
        published_at=at,
        published_by=by,
        is_material=is_material,
        asks_again=asks_again and latest is not None,
        note=note,
        texts=texts,
        fingerprint=compute_fingerprint(texts),
    )
    if version.asks_again:
        require_renewal(at)
    record_action(
        "policy.published", instance=version, details={"version": version.number, "asks_again": version.asks_again}
    )
    transaction.on_commit(forget_version)
    return version


def require_renewal(at: datetime) -> None:
    """Make the grants before a moment outdated for every purpose that needs a consent in some region."""
    rules = get_consent_rules()
    stored = load_consent_settings()
    stored.renewal_since = at
    stored.renewal_purposes = sorted(purpose.value for purpose in Purpose if rules.must_ask(purpose))
    stored.save()
    transaction.on_commit(forget_consent_rules)


_cache: TtlCache[str] = TtlCache(_load_number)
