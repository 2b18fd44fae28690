"""Searches files, keys, queues and tables for erased people, reports where it searched, and forgets the people when nothing is found."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.utils import timezone

from config.foundation.personal_data.file_roots import list_file_roots, list_files
from config.foundation.personal_data.file_stores import find_groups_in_file
from config.foundation.personal_data.key_stores import find_groups_in_key, list_all_keys, open_client
from config.foundation.personal_data.locations import LocationKind
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.registry import list_stores
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.personal_data.text_matcher import GroupMatcher
from customers.erasure.models import ErasedPerson, ErasureRun, ErasureStep
from customers.erasure.preparation import read_people
from customers.erasure.proof.tables import KEPT_COLUMNS, list_tables, search_tables

# these are searched through their servers; the installation's keys are not personal data
SERVER_FILES = ("var/postgres/", "var/valkey/", "var/secrets/")
MAX_FINDINGS = 200

type Report = Callable[[str], None]
type Groups = Mapping[int, Sequence[Person]]


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
    return search_groups({0: people}, report=report)[0]


def search_groups(groups: Groups, *, report: Report = lambda _line: None) -> dict[int, ProofReport]:
    """Search every store once for groups of people, such as those of several erasures; return what was found of each group."""
    began = time.perf_counter()
    matcher, result = GroupMatcher(groups), ProofReport()
    found: list[tuple[int, Finding]] = []
    for store in list_stores():
        found += ask_store(store, groups)
    report(f"stores: {len(list_stores())} of the registry")
    found += search_files(matcher, result, report)
    found += search_keys(matcher, result)
    report(f"Valkey: {result.keys} keys, with the queues of jobs")
    tables = list_tables()
    result.tables, result.columns = len(tables), sum(len(table.columns) for table in tables)
    found += [(group, locate_table(finding)) for group, finding in search_tables(groups, matcher)]
    report(f"PostgreSQL: {result.tables} tables, {result.columns} columns, encrypted values decrypted")
    for (table, column), reason in KEPT_COLUMNS.items():
        report(f"not searched: {table}.{column}, {reason}")
    for prefix in SERVER_FILES:
        report(f"not searched: files below {prefix}, which belong to a server that was searched, or are keys")
    result.seconds = time.perf_counter() - began
    return {
        group: replace(result, findings=[finding for owner, finding in found if owner == group]) for group in groups
    }


def ask_store(store: PersonalDataStore, groups: Groups) -> Iterator[tuple[int, Finding]]:
    """Yield the findings of a store by group: one question about everyone, and more only in the half of the groups that has a finding."""
    everyone = [person for people in groups.values() for person in people]
    findings = store.find(everyone) if everyone else []
    if not findings:
        return
    if len(groups) == 1:
        yield from ((group, finding) for group in groups for finding in findings)
        return
    pairs, middle = list(groups.items()), len(groups) // 2
    for half in (pairs[:middle], pairs[middle:]):
        yield from ask_store(store, dict(half))


def search_files(matcher: GroupMatcher, result: ProofReport, report: Report) -> Iterator[tuple[int, Finding]]:
    """Yield the files with a search term, decoded and decompressed, with the group whose term it is."""
    counts: dict[str, int] = {}
    for name, path in list_files():
        if name.startswith(SERVER_FILES):
            continue
        folder = name.rsplit("/", 1)[0]
        counts[folder] = counts.get(folder, 0) + 1
        result.files += 1
        try:
            result.bytes += path.stat().st_size
            named = find_groups_in_file(path, matcher)
        except FileNotFoundError:  # vanished meanwhile
            continue
        for group in sorted(named | matcher.find_groups(name.encode())):
            yield group, Finding(find_owner(LocationKind.FILE, name), f"file {name}", 1, "text")
    for root, path in list_file_roots().items():
        number = sum(count for name, count in counts.items() if name.split("/", 1)[0] == root)
        report(f"files: {number} below {root} ({path})")


def search_keys(matcher: GroupMatcher, result: ProofReport) -> Iterator[tuple[int, Finding]]:
    """Yield the keys of Valkey with a search term in their name or value, with the group whose term it is."""
    client = open_client()
    for name in list_all_keys(client):
        result.keys += 1
        for group in sorted(find_groups_in_key(client, name, matcher)):
            text = name.decode(errors="replace")
            yield group, Finding(find_owner(LocationKind.KEY, text), f"key {matcher.mask_text(text)}", 1, "text")


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
    """Prove all erased runs in one search; return how many were proven. Only the runs of whom something was found are searched again the next time.

    So are runs that became effective while a job was running that may have read the people before, such as a training.
    """
    erased = ErasureRun.objects.filter(finished_at__isnull=False, proven_at=None).order_by("id")
    runs = [run for run in erased if not find_writers(run)]
    if not runs:
        return 0
    groups = {run.pk: read_people(run) for run in runs}
    results = search_groups(groups, report=report) if any(groups.values()) else {}
    return sum(record_result(run, results.get(run.pk, ProofReport())) for run in runs)


def find_writers(run: ErasureRun) -> list[str]:
    """Return the stores in which a job that began before the erasure may still write what it had read about the people."""
    at = run.effective_at
    return [store.key for store in list_stores() if at is not None and store.has_writer_since_before(at)]


def prove_run(run: ErasureRun, *, report: Report = lambda _line: None) -> ProofReport:
    """Search for the people of one run; forget them if nothing is found."""
    result = search_everything(read_people(run), report=report)
    record_result(run, result)
    return result


def record_result(run: ErasureRun, result: ProofReport) -> bool:
    """Forget the people of a run of whom nothing was found, otherwise save the findings; return whether nothing was found."""
    if result.is_clean:
        forget_people(run)
    else:
        save_findings(run, result)
    return result.is_clean


def forget_people(run: ErasureRun) -> None:
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
