"""Export the recommendations of a placement for all customers to one file.

Each chunk of customers is written to a temporary part file beside the target and then renamed; at the end the parts are
joined into the target, which appears complete or not at all. An export with the same options resumes after the last
complete part, and computes those parts again whose customers were erased or have refused meanwhile.
"""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import CsvWriter
from config.foundation.files.atomic_write import write_atomically
from config.foundation.progress import Progress, ignore_progress
from customers.identity.models import Customer, Identifier
from customers.segments.membership import query_customers, query_members
from customers.segments.models import Segment
from recommendations.serving.batch.batch_scoring import BatchRecommender
from recommendations.serving.batch.customer_blocks import CustomerBlock, find_opted_out
from recommendations.serving.state.loader import StateLoader, loader

CHUNK_SIZE = 2_000  # customers
FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = ("user_id", "rank", "product_id", "score", "strategy")
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("product_id", pa.string()),
        ("score", pa.float32()),
        ("strategy", pa.string()),
    ]
)
IDENTIFIER_KINDS = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID)


class InvalidExportError(ValueError):
    """Invalid export options; the message names the valid ones."""


@dataclass(frozen=True)
class ExportOptions:
    """The options that must be equal for one export to resume another."""

    scenario: str
    n: int
    format: str
    segment: str
    model: str


@dataclass(frozen=True)
class ExportSummary:
    """The result of an export.

    customers: number with recommendations. rows: recommendations. resumed_customers: exported by an earlier start.
    """

    customers: int
    rows: int
    resumed_customers: int
    model: str


@dataclass(frozen=True, eq=False)
class ExportChunk:
    """The customers of one part, with the first user id of each."""

    customer_ids: Sequence[int]
    user_ids: Sequence[str]
    customers: CustomerBlock

    def compute_digest(self, batch: BatchRecommender) -> str:
        """Return a hash that is different once one of the customers is erased, restricted, merged, or refuses consent."""
        opted_out = find_opted_out(batch.state, self.customers).tolist()
        return hashlib.sha256(json.dumps([self.customer_ids, self.user_ids, opted_out]).encode()).hexdigest()


@dataclass(frozen=True)
class ExportLine:
    """The recommendations of one customer."""

    user_id: str
    strategy: str
    products: list[str]
    scores: list[float]


def export_recommendations(
    *,
    scenario: str,
    n: int,
    path: Path,
    format: str,
    now: datetime,
    segment: str = "",
    resume: bool = False,
    source: StateLoader = loader,
    progress: Progress = ignore_progress,
) -> ExportSummary:
    """Write the best ``n`` products of a placement for every customer with a user id.

    CSV and Parquet have one row per recommendation, JSON Lines one line per customer. Erased customers are left out.
    Customers who refused personalization get the recommendations that are the same for all customers. segment: only its
    members. resume: continue an
    interrupted export with the same options.

    Errors: InvalidExportError, UnsupportedPlacementError, NoActiveModelError; ConditionError for a segment with invalid
    conditions; OSError.
    """
    if format not in FORMATS:
        raise InvalidExportError(_("Unknown format %(given)s; valid: %(valid)s.") % {
            "given": repr(format), "valid": ", ".join(FORMATS)})  # fmt: skip
    if not 1 <= n <= 100:
        raise InvalidExportError(_("n is %(n)s; valid: 1 to 100.") % {"n": n})
    state = source.get_state(now=now)
    batch = BatchRecommender(state=state, scenario=scenario, n=n, now=now)
    parts = ExportParts(path, ExportOptions(scenario, n, format, segment, state.name))
    customers = select_customers(segment, now=now)
    after = parts.open(resume=resume)
    total = customers.count()
    details = {"scenario": scenario, "segment": segment, "file": path.name}
    record_export(model=Customer, count=total, details=details)
    done, resumed = renew_parts(parts, batch, customers)
    progress(min(done, total), total)
    while customer_ids := list(customers.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:CHUNK_SIZE]):
        after = customer_ids[-1]
        chunk = read_chunk(customer_ids)
        parts.write(compute_lines(batch, chunk), after=after, digest=chunk.compute_digest(batch))
        done += len(customer_ids)
        progress(min(done, total), total)
    written = parts.finish()
    progress(total, total)
    return ExportSummary(*written, resumed_customers=resumed, model=state.name)


def select_customers(segment: str, *, now: datetime) -> QuerySet[Customer]:
    """Return the customers with a user id.

    Errors: InvalidExportError for an unknown segment; ConditionError.
    """
    user_ids = Identifier.objects.filter(customer=OuterRef("pk"), kind=Identifier.Kind.USER_ID)
    if not segment:
        return query_customers().filter(Exists(user_ids))
    selected = Segment.objects.filter(key=segment).first()
    if selected is None:
        raise InvalidExportError(_("Unknown segment %(key)s.") % {"key": repr(segment)})
    return query_members(segment=selected, as_of=now).filter(Exists(user_ids))


def renew_parts(parts: "ExportParts", batch: BatchRecommender, customers: QuerySet[Customer]) -> tuple[int, int]:
    """Compute the finished parts again whose customers have changed; return how many customers all parts and the unchanged ones have."""
    start = done = resumed = 0
    for end in parts.list_ends():
        in_part = customers.filter(pk__gt=start, pk__lte=end).order_by("pk")
        chunk = read_chunk(list(in_part.values_list("pk", flat=True)))
        digest = chunk.compute_digest(batch)
        if digest == parts.read_digest(end):
            resumed += chunk.customers.n
        else:
            parts.write(compute_lines(batch, chunk), after=end, digest=digest)
        done += chunk.customers.n
        start = end
    return done, resumed


def read_chunk(customer_ids: Sequence[int]) -> ExportChunk:
    """Return a chunk of customers, with one query for their identifiers."""
    number_by_customer = {pk: number for number, pk in enumerate(customer_ids)}
    identifiers = Identifier.objects.filter(customer__in=customer_ids, kind__in=IDENTIFIER_KINDS).order_by("pk")
    rows = sorted(
        (number_by_customer[customer], kind, value)
        for customer, kind, value in identifiers.values_list("customer", "kind", "value")
    )
    # reversed, so that the first user id of each customer is written last
    user_ids = [""] * len(customer_ids)
    for number, kind, value in reversed(rows):
        if kind == Identifier.Kind.USER_ID:
            user_ids[number] = value
    names = [f"{kind}:{value}" for _number, kind, value in rows]
    owner = np.array([number for number, _kind, _value in rows], np.int32)
    return ExportChunk(customer_ids, user_ids, CustomerBlock(len(customer_ids), names, owner))


def compute_lines(batch: BatchRecommender, chunk: ExportChunk) -> list[ExportLine]:
    """Compute the recommendations of a chunk of customers."""
    ids, result = batch.state.products.product_ids, batch.recommend(chunk.customers)
    return [
        ExportLine(
            user_id, strategy, [ids[item] for item in items if item >= 0], scores[: sum(item >= 0 for item in items)]
        )
        for user_id, strategy, items, scores in zip(
            chunk.user_ids, result.strategies, result.items.tolist(), result.scores.tolist(), strict=True
        )
        if strategy
    ]


class ExportParts:
    """The parts of an unfinished export, in a folder beside the target.

    ``options.json`` there has its options.

    The name of a part is the last customer in it, so that the names alone say where to resume. A file beside it has the digest of its
    customers.
    """

    def __init__(self, path: Path, options: ExportOptions) -> None:
        self.path, self.options = path, options
        self.folder = path.with_name(f".{path.name}.parts")

    def open(self, *, resume: bool) -> int:
        """Return the last finished customer, 0 for none.

        Errors: InvalidExportError if the parts have other options.
        """
        options_path = self.folder / "options.json"
        if resume and options_path.exists():
            previous = json.loads(options_path.read_text(encoding="utf-8"))
            different = [name for name, value in asdict(self.options).items() if previous.get(name) != value]
            if different:
                raise InvalidExportError(
                    _(
                        "The interrupted export used different options (%(names)s). Start without --resume, or use the "
                        "same options."
                    )
                    % {"names": ", ".join(different)}
                )
            return max(self.list_ends(), default=0)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        write_atomically(options_path, json.dumps(asdict(self.options)).encode())
        return 0

    def list_ends(self) -> list[int]:
        """Return the last customer of each part, in ascending order."""
        return [after for after, _path in self._list_parts()]

    def write(self, lines: Sequence[ExportLine], *, after: int, digest: str) -> None:
        """Write one part. after: the last customer in it. digest: of its customers."""
        target = self.folder / f"{after:020d}.{self.options.format}"
        draft = target.with_suffix(".new")
        WRITERS[self.options.format](draft, lines)
        draft.replace(target)
        # last, so that a part that lacks it after an interruption is computed again
        write_atomically(target.with_suffix(".customers"), digest.encode())

    def read_digest(self, after: int) -> str:
        """Return the digest of the customers of a part; empty without one."""
        path = self.folder / f"{after:020d}.customers"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def finish(self) -> tuple[int, int]:
        """Join the parts into the target; return its numbers of customers and recommendations."""
        paths = [path for _after, path in self._list_parts()]
        draft = self.folder / "whole"
        counts = JOINERS[self.options.format](draft, paths)
        # without fsync, a power failure after the rename could leave an empty file under the final name
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(self.path)
        shutil.rmtree(self.folder)
        return counts

    def _list_parts(self) -> list[tuple[int, Path]]:
        paths = sorted(self.folder.glob(f"*.{self.options.format}"))
        return [(int(path.stem), path) for path in paths if path.stem.isdecimal()]


def iterate_rows(lines: Sequence[ExportLine]) -> Iterator[tuple[str, int, str, float, str]]:
    """Yield one row per recommendation, in the order of COLUMNS."""
    for line in lines:
        for rank, (product_id, score) in enumerate(zip(line.products, line.scores, strict=True), start=1):
            yield line.user_id, rank, product_id, score, line.strategy


def write_csv(path: Path, lines: Sequence[ExportLine]) -> None:
    """Write rows; an apostrophe before an ID that begins with =, +, - or @ and is not a number keeps spreadsheets from running it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        CsvWriter(file).write_rows((*row[:3], f"{row[3]:.6g}", row[4]) for row in iterate_rows(lines))


def join_csv(path: Path, parts: Sequence[Path]) -> tuple[int, int]:
    customers = rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        CsvWriter(file).write_row(COLUMNS)
        for part in parts:
            with part.open(encoding="utf-8", newline="") as part_file:
                part_rows = list(csv.reader(part_file))
                part_file.seek(0)
                shutil.copyfileobj(part_file, file)  # its cells are escaped already
            rows += len(part_rows)
            customers += len({row[0] for row in part_rows})
    return customers, rows


def write_jsonl(path: Path, lines: Sequence[ExportLine]) -> None:
    with path.open("wb") as file:
        for line in lines:
            items = [
                {"rank": rank, "product_id": product_id, "score": score}
                for _user, rank, product_id, score, _strategy in iterate_rows([line])
            ]
            file.write(
                msgspec.json.encode({"user_id": line.user_id, "strategy": line.strategy, "items": items}) + b"\n"
            )


def join_jsonl(path: Path, parts: Sequence[Path]) -> tuple[int, int]:
    customers = rows = 0
    with path.open("wb") as file:
        for part in parts:
            for line in part.read_bytes().splitlines():
                file.write(line + b"\n")
                customers += 1
                rows += len(msgspec.json.decode(line)["items"])
    return customers, rows


def write_parquet(path: Path, lines: Sequence[ExportLine]) -> None:
    columns = zip(*iterate_rows(lines), strict=True) if any(line.products for line in lines) else ([] for _ in COLUMNS)
    arrays = [pa.array(list(column), kind.type) for column, kind in zip(columns, SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCHEMA), path, compression="zstd")


def join_parquet(path: Path, parts: Sequence[Path]) -> tuple[int, int]:
    customers = rows = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for part in parts:
            table = pq.read_table(part, schema=SCHEMA)
            writer.write_table(table)
            rows += table.num_rows
            customers += len(table["user_id"].unique())
    return customers, rows


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
JOINERS = {"csv": join_csv, "jsonl": join_jsonl, "parquet": join_parquet}
