"""Searches files, keys, queues and tables for erased people, reports where it searched, and forgets the people when nothing is found."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.utils import timezone

from config.foundation.personal_data.file_roots import list_file_roots, list_files
from config.foundation.personal_data.file_stores import is_in_file
from config.foundation.personal_data.key_stores import is_in_key, list_all_keys, open_client
from config.foundation.personal_data.locations import LocationKind
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.registry import list_stores
from config.foundation.personal_data.text_matcher import TextMatcher, build_matcher
from customers.erasure.models import ErasedPerson, ErasureRun, ErasureStep
from customers.erasure.preparation import read_people
from customers.erasure.proof.tables import KEPT_COLUMNS, list_tables, search_tables

# these are searched through their servers; the installation's keys are not personal data
SERVER_FILES = ("var/postgres/", "var/valkey/", "var/secrets/")
MAX_FINDINGS = 200

type Report = Callable[[str], None]


@dataclass
class ProofReport:
    """Where a proof has looked and what it has found."""

    files: int = 0
    bytes: int = 0
    keys: int = 0
    tables: int = 0
    columns: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.findings


def search_everything(people: Sequence[Person], *, report: Report = lambda _line: None) -> ProofReport:
    """Search every store for people. report: called with a line for each place that was searched."""
    began = time.perf_counter()
    matcher, result = build_matcher(people), ProofReport()
    for store in list_stores():
        result.findings += [finding for person in people for finding in store.find(person)]
    report(f"stores: {len(list_stores())} of the registry")
    result.findings += search_files(matcher, result, report)
    result.findings += search_keys(matcher, result)
    report(f"Valkey: {result.keys} keys, with the queues of jobs")
    tables = list_tables()
    result.tables, result.columns = len(tables), sum(len(table.columns) for table in tables)
    result.findings += [locate_table(finding) for finding in search_tables(people, matcher)]
    report(f"PostgreSQL: {result.tables} tables, {result.columns} columns, encrypted values decrypted")
    for (table, column), reason in KEPT_COLUMNS.items():
        report(f"not searched: {table}.{column}, {reason}")
    for prefix in SERVER_FILES:
        report(f"not searched: files below {prefix}, which belong to a server that was searched, or are keys")
    result.seconds = time.perf_counter() - began
    return result


def search_files(matcher: TextMatcher, result: ProofReport, report: Report) -> Iterator[Finding]:
    """Yield the files with a search term, decoded and decompressed."""
    counts: dict[str, int] = {}
    for name, path in list_files():
        if name.startswith(SERVER_FILES):
            continue
        folder = name.rsplit("/", 1)[0]
        counts[folder] = counts.get(folder, 0) + 1
        result.files += 1
        try:
            result.bytes += path.stat().st_size
            has_text = is_in_file(path, matcher)
        except FileNotFoundError:  # vanished meanwhile
            continue
        if has_text or matcher.contains(name.encode()):
            yield Finding(find_owner(LocationKind.FILE, name), f"file {name}", 1, "text")
    for root, path in list_file_roots().items():
        number = sum(count for name, count in counts.items() if name.split("/", 1)[0] == root)
        report(f"files: {number} below {root} ({path})")


def search_keys(matcher: TextMatcher, result: ProofReport) -> Iterator[Finding]:
    """Yield the keys of Valkey with a search term in their name or value."""
    client = open_client()
    for name in list_all_keys(client):
        result.keys += 1
        if is_in_key(client, name, matcher):
            text = name.decode(errors="replace")
            yield Finding(find_owner(LocationKind.KEY, text), f"key {matcher.mask_text(text)}", 1, "text")


def find_owner(kind: LocationKind, name: str) -> str:
    """Return the store that should have erased a file or key; empty if none covers it."""
    for store in list_stores():
        if any(location.covers_name(kind, name) for location in store.locations):
            return store.key
    return ""


def locate_table(finding: Finding) -> Finding:
    """Return a finding in a table with the store that should have erased it."""
    from django.apps import apps

    table, _dot, column = finding.location.removeprefix("table ").partition(".")
    labels = {model._meta.db_table: model._meta.label_lower for model in apps.get_models(include_auto_created=True)}
    for store in list_stores():
        if any(location.covers_column(labels.get(table, ""), column) for location in store.locations):
            return replace(finding, store=store.key)
    return finding


def prove_runs(*, report: Report = lambda _line: None) -> int:
    """Prove all erased runs in one search; return how many were proven. Runs with findings are searched again the next time.

    So are runs that became effective while a job was running that may have read the people before, such as a training.
    """
    erased = ErasureRun.objects.filter(finished_at__isnull=False, proven_at=None).order_by("id")
    runs = [run for run in erased if not find_writers(run)]
    if not runs:
        return 0
    everyone = [person for run in runs for person in read_people(run)]
    if everyone and not search_everything(everyone, report=report).is_clean:
        return sum(prove_run(run, report=report).is_clean for run in runs)
    for run in runs:
        forget_people(run, ProofReport())
    return len(runs)


def find_writers(run: ErasureRun) -> list[str]:
    """Return the stores in which a job that began before the erasure may still write what it had read about the people."""
    at = run.effective_at
    return [store.key for store in list_stores() if at is not None and store.has_writer_since_before(at)]


def prove_run(run: ErasureRun, *, report: Report = lambda _line: None) -> ProofReport:
    """Search for the people of one run; forget them if nothing is found."""
    result = search_everything(read_people(run), report=report)
    if result.is_clean:
        forget_people(run, result)
    else:
        save_findings(run, result)
    return result


def forget_people(run: ErasureRun, result: ProofReport) -> None:
    """Drop what identifies the people of a proven run."""
    with transaction.atomic():
        ErasedPerson.objects.filter(run=run).delete()
        run.status, run.proven_at, run.findings = ErasureRun.Status.PROVEN, timezone.now(), []
        run.save(update_fields=["status", "proven_at", "findings"])


def save_findings(run: ErasureRun, result: ProofReport) -> None:
    """Record where people were found, and open the run again so that the steps of these stores are repeated.

    A run that ends again is searched only by the next proof, so a trace that stays is tried once a night.
    """
    stores = {item.store for item in result.findings} & {store.key for store in list_stores()}
    run.status = ErasureRun.Status.TRACES
    run.findings = [
        {"store": item.store, "location": item.location, "count": item.count, "by": item.recognized_by}
        for item in result.findings[:MAX_FINDINGS]
    ]
    if stores:
        run.finished_at = None
    with transaction.atomic():
        run.steps.filter(store__in=stores).update(status=ErasureStep.Status.WAITING)
        run.save(update_fields=["status", "findings", "finished_at"])
