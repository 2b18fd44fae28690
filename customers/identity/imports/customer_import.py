"""Imports customers from CSV or JSON Lines files, batch by batch; a second import of the same file changes nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem, ItemStatus
from catalog.feeds.delimited import read_delimited, require_column
from catalog.feeds.error_file import ErrorFile
from catalog.feeds.feed_file import FeedError, detect_encoding, detect_format
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.row_mapping import FeedRow, normalize_name
from catalog.field_cleaning import clean_fields, is_empty
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.files.gzip_files import open_text
from config.foundation.progress import Progress, ignore_progress
from customers.identity.consent.ledger import record_changed_consents
from customers.identity.consent.proofs import ConsentProof
from customers.identity.customer_upsert import (
    CustomerChange,
    find_identifier_owners,
    hash_contact_fields,
    upsert_customers,
)
from customers.identity.imports.customer_fields import CONSENT_FIELDS, FIELDS, build_cleaners
from customers.identity.imports.presets.base import CustomerPreset
from customers.identity.imports.presets.registry import DEFAULT_PRESET, PRESETS
from customers.identity.models import Consent, Identifier
from customers.identity.personal_data.chinese_names import join_name
from customers.identity.personal_data.wechat_ids import OPENID_TRAIT, UNIONID_TRAIT
from customers.identity.resolution.user_ids import find_customers_by_user_id
from customers.identity.traits import MAX_TRAIT_NAME, MAX_TRAITS, find_trait_problem

BATCH_SIZE = 1000
PLAIN_FIELDS = ("email", "phone", "birthday", "language", "country")


@dataclass
class CustomerImportResult:
    """The counts of an import."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    consents: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    error_file: Path | None = None


@dataclass(frozen=True)
class CustomerMapping:
    """The columns of one file: field → its columns with normalized names, and the columns that become traits."""

    fields: Mapping[str, Sequence[str]]
    keeps_others: bool
    skipped: frozenset[str] = frozenset()

    def read(self, row: FeedRow) -> dict[str, Any]:
        """Return the fields that the file has columns for; the first column with a value counts."""
        values: dict[str, Any] = {}
        for name, columns in self.fields.items():
            present = [row.fields[column] for column in columns if column in row.fields]
            if present:
                values[name] = next((value for value in present if not is_empty(value)), "")
        return values

    def read_traits(self, row: FeedRow) -> dict[str, Any]:
        if not self.keeps_others:
            return {}
        used = {column for columns in self.fields.values() for column in columns} | self.skipped
        return {name: value for name, value in row.fields.items() if name not in used and not is_empty(value)}


def import_customers(
    *,
    path: Path,
    received_at: datetime,
    preset: str = DEFAULT_PRESET,
    mapping: Mapping[str, Sequence[str]] | None = None,
    is_complete_mapping: bool = False,
    skipped: Sequence[str] = (),
    encoding: str | None = None,
    source: str = "import",
    dry_run: bool = False,
    progress: Progress = ignore_progress,
) -> CustomerImportResult:
    """Import the customers of a file.

    A column that the file lacks keeps its values; an empty value changes nothing either. Consents are added to the ledger if they differ.

    Args:
        mapping: field → columns; takes precedence over the preset.
        is_complete_mapping: fields that are not in ``mapping`` have no column, even if the preset knows one.
        skipped: columns that do not become traits.
        source: what the consent ledger names as the source.

    Raises:
        FeedError: the file cannot be read; nothing was imported.
        AlreadyRunningError: another import is running.
    """
    columns = resolve_mapping(preset, mapping or {}, is_complete=is_complete_mapping, skipped=skipped)
    with exclusive_lock("identity.import_customers"):
        encoding = detect_encoding(path, encoding)
        total = sum(1 for _row in read_rows(path, encoding, columns, PRESETS[preset]))
        if not total:
            raise FeedError(_("%(file)s has no customers.") % {"file": path.name})
        result = CustomerImportResult()
        with ErrorFile(build_error_path(path, received_at)) as errors:
            for batch in batched(read_rows(path, encoding, columns, PRESETS[preset]), BATCH_SIZE):
                import_batch(batch, columns, result, errors, at=received_at, source=source, dry_run=dry_run)
                progress(result.rows, total)
            result.error_file = errors.path if errors.exists else None
    return result


def resolve_mapping(
    preset: str, mapping: Mapping[str, Sequence[str]], *, is_complete: bool, skipped: Sequence[str]
) -> CustomerMapping:
    if preset not in PRESETS:
        raise FeedError(
            _("Unknown preset %(preset)s; valid: %(known)s.") % {"preset": repr(preset), "known": ", ".join(PRESETS)}
        )
    if unknown := sorted(mapping.keys() - FIELDS.keys()):
        raise FeedError(
            _("Unknown customer fields: %(names)s; valid: %(known)s.")
            % {"names": ", ".join(unknown), "known": ", ".join(FIELDS)}
        )
    chosen = {name: list(map(normalize_name, columns)) for name, columns in mapping.items()}
    used = {column for columns in chosen.values() for column in columns}
    known = PRESETS[preset]
    fields = {
        name: [column for column in dict.fromkeys(map(normalize_name, columns)) if column not in used]
        for name, columns in ({} if is_complete else known.columns).items()
    }
    return CustomerMapping(fields | chosen, known.keeps_other_columns, frozenset(map(normalize_name, skipped)))


def build_error_path(path: Path, received_at: datetime) -> Path:
    return Path(settings.EXPORTS_DIR) / "imports" / f"customers-{received_at:%Y%m%d-%H%M%S}-{path.stem[:50]}.csv"


def read_rows(path: Path, encoding: str, mapping: CustomerMapping, preset: CustomerPreset) -> Iterator[FeedRow]:
    def check_columns(names: list[str]) -> None:
        if not any(set(mapping.fields.get(name, ())) & set(names) for name in ("user_id", "email")):
            candidates = [*mapping.fields.get("user_id", ("user_id",)), *mapping.fields.get("email", ("email",))]
            require_column(names, "user_id", candidates)

    file_format = detect_format(path, encoding)
    if file_format == FeedImport.Format.GOOGLE_XML:
        raise FeedError(_("%(file)s is XML; use CSV or JSON Lines for customers.") % {"file": path.name})
    with open_text(path, encoding) as stream:
        rows = (
            read_json_lines(stream) if file_format == FeedImport.Format.JSONL else read_delimited(stream, check_columns)
        )
        needed = mapping.fields.get(preset.skips_rows_without, ())
        for row in rows:
            if row.problem or not needed or any(not is_empty(row.fields.get(column)) for column in needed):
                yield row


def import_batch(
    batch: Sequence[FeedRow],
    mapping: CustomerMapping,
    result: CustomerImportResult,
    errors: ErrorFile,
    *,
    at: datetime,
    source: str,
    dry_run: bool,
) -> None:
    """Write the valid rows of a batch in one transaction, and list the others in the error file."""
    changes: list[CustomerChange] = []
    consents: list[dict[str, bool]] = []
    lines: list[int] = []
    problems: list[tuple[int, Sequence[FieldProblem]]] = []
    cleaners = build_cleaners(at)
    for row in batch:
        change, row_consents, row_problems = build_change(row, mapping, cleaners)
        if change is None or row_problems:
            problems.append((row.line, row_problems))
            continue
        changes.append(change)
        consents.append(row_consents)
        lines.append(row.line)
    with transaction.atomic():
        written = upsert_customers(changes=changes, seen_at=at, widens_seen_times=False, links_addresses=True)
        rejected = {item.index for item in written.results if item.status is ItemStatus.REJECTED}
        accepted = [(change, consents[index]) for index, change in enumerate(changes) if index not in rejected]
        result.consents += write_consents(accepted, at=at, source=source)
        if dry_run:
            transaction.set_rollback(True)
    problems += [(lines[item.index], item.problems) for item in written.results if item.problems]
    for line, line_problems in sorted(problems, key=lambda entry: entry[0]):
        errors.write(line, line_problems)
        result.problems.update(f"{problem.field}: {problem.code}" for problem in line_problems)
    result.rows += len(batch)
    result.created += written.created
    result.updated += written.updated
    result.unchanged += written.unchanged
    result.rejected += len(problems)


def build_change(
    row: FeedRow, mapping: CustomerMapping, cleaners: Mapping[str, Any]
) -> tuple[CustomerChange | None, dict[str, bool], list[FieldProblem]]:
    """Return the change of a row, its consents and its problems. Empty values change nothing."""
    if row.problem:
        return None, {}, [row.problem]
    cleaned, problems = clean_fields(mapping.read(row), cleaners, frozenset())
    if not cleaned.get("user_id") and not cleaned.get("email") and not problems:
        name = "user_id" if "user_id" in mapping.fields else "email"
        problems = [FieldProblem(name, "required", _("Either the customer ID or the email address is required."))]
    name = cleaned.get("name") or join_name(cleaned.get("first_name") or "", cleaned.get("last_name") or "")
    fields = {key: cleaned[key] for key in PLAIN_FIELDS if cleaned.get(key)} | ({"name": name} if name else {})
    traits = mapping.read_traits(row)
    if tags := [tag.strip() for tag in cleaned.get("tags", "").split(",") if tag.strip()]:
        traits["tags"] = tags
    traits |= read_wechat_traits(cleaned)
    for key, value in traits.items():
        if problem := find_trait_problem(key, value):
            problems.append(FieldProblem(key[:MAX_TRAIT_NAME], "bad_trait", str(problem)))
    if len(traits) > MAX_TRAITS:
        problems.append(
            FieldProblem("traits", "too_many", _("A customer can have at most %(max)d traits.") % {"max": MAX_TRAITS})
        )
    consents = {name: cleaned[name] for name in CONSENT_FIELDS if cleaned.get(name) is not None}
    return CustomerChange(cleaned.get("user_id", ""), fields, traits), consents, problems


def read_wechat_traits(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the openids, of which a cell may have several, and the unionid of a row."""
    openids = [text.strip() for text in cleaned.get(OPENID_TRAIT, "").split(",") if text.strip()]
    unionid = cleaned.get(UNIONID_TRAIT, "")
    return ({OPENID_TRAIT: openids[0] if len(openids) == 1 else openids} if openids else {}) | (
        {UNIONID_TRAIT: unionid} if unionid else {}
    )


def write_consents(changes: Sequence[tuple[CustomerChange, Mapping[str, bool]]], *, at: datetime, source: str) -> int:
    """Add the consents of customers that exist by now to the ledger; return how many changed."""
    wanted = [(change, consents) for change, consents in changes if consents]
    if not wanted:
        return 0
    by_user_id = find_customers_by_user_id(user_ids=[change.user_id for change, _consents in wanted if change.user_id])
    kind = Identifier.Kind.EMAIL_HASH.value
    hashes = {
        change.key: hash_contact_fields(change.fields).get("email")
        for change, _consents in wanted
        if not change.user_id
    }
    owners = find_identifier_owners({key for key in hashes.values() if key and key[0] == kind})
    entries = []
    for change, consents in wanted:
        key = hashes.get(change.key)
        customer_id = by_user_id.get(change.user_id) if change.user_id else owners.get(key) if key else None
        if customer_id is not None:
            entries += [
                (
                    customer_id,
                    CONSENT_FIELDS[name],
                    (Consent.Status.GRANTED if given else Consent.Status.WITHDRAWN).value,
                )
                for name, given in consents.items()
            ]
    proof = ConsentProof("import", reference=source)
    return record_changed_consents(entries=entries, recorded_at=at, source=source, proof=proof)
