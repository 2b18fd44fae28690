"""Writes everything that is stored about a person into one zip file: JSON for programs, CSV for tables, HTML to read.

The records come from the registry of personal data, which erasure uses too. They are read once per format and streamed, so
that fifty thousand events take no more memory than ten.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

from django.utils import translation

from config.foundation.automated_decisions.registry import explain_decisions
from config.foundation.csv_cells import CsvWriter
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import list_stores
from config.foundation.personal_data.stores import PersonalDataStore
from customers.privacy.export.html_report import ReportDetails, write_report
from customers.privacy.export.values import to_cell, to_json_value

FORMAT = "perennial.personal-data"
FORMAT_VERSION = 1
MAX_DECISIONS = 200
FILE_LANGUAGE = "en"  # of field names in JSON and CSV, which programs read


@dataclass
class StoreContent:
    """What the first pass over a store has found: the columns of its records and their number."""

    store: PersonalDataStore
    columns: dict[str, None] = field(default_factory=dict)
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class BundleDetails:
    """What the file says about itself."""

    reference: str
    created_at: datetime
    language: str
    shop_name: str


def write_bundle(stream: BinaryIO | Any, *, person: Person, details: BundleDetails) -> int:
    """Write the zip file to a stream that need not be seekable; return the number of records."""
    with ZipFile(stream, "w", ZIP_DEFLATED) as bundle:
        with translation.override(FILE_LANGUAGE):
            with bundle.open("data.json", "w", force_zip64=True) as target:
                contents = write_json(TextTarget(target), person, details)
            for content in contents:
                if content.rows:
                    with bundle.open(f"csv/{content.store.key}.csv", "w", force_zip64=True) as target:
                        write_csv(TextTarget(target, bom=True), content, person)
        with translation.override(details.language):
            decisions = explain_decisions(customer_id=person.customer_id, as_of=details.created_at, limit=MAX_DECISIONS)
            report = ReportDetails(details.reference, details.created_at, details.shop_name, details.language)
            with bundle.open("report.html", "w", force_zip64=True) as target:
                sections = [(content.store, content.rows) for content in contents if content.rows]
                write_report(TextTarget(target), person=person, sections=sections, decisions=decisions, details=report)
    return sum(content.rows for content in contents)


class TextTarget:
    """A text stream over an entry of the zip file."""

    def __init__(self, target: Any, *, bom: bool = False) -> None:
        self._target = target
        if bom:
            target.write(b"\xef\xbb\xbf")  # without it, Excel shows Chinese as question marks

    def write(self, text: str) -> int:
        return int(self._target.write(text.encode()))


def write_json(target: TextTarget, person: Person, details: BundleDetails) -> list[StoreContent]:
    """Write data.json record by record; return what each store has."""
    head = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "created_at": details.created_at,
        "reference": details.reference,
        "shop": details.shop_name,
        "customer": {
            "customer_numbers": list(person.customer_ids),
            "identifiers": [{"kind": kind, "value": value} for kind, value in person.identifiers],
        },
        "automated_decisions": list(build_decisions(person.customer_id, as_of=details.created_at)),
    }
    target.write(dump(head)[:-1] + ', "data": {')
    contents: list[StoreContent] = []
    for store in list_stores():
        content = StoreContent(store)
        target.write(
            f'{", " if contents else ""}\n{dump(store.key)}: {{"label": {dump(str(store.label))}, "records": ['
        )
        for record in store.export(person):
            content.columns |= dict.fromkeys(record)
            target.write(f"{',' if content.rows else ''}\n{dump(record)}")
            content.rows += 1
        target.write("]}")
        contents.append(content)
    target.write("\n}}\n")
    return contents


def build_decisions(customer_id: int, *, as_of: datetime) -> Iterator[dict[str, Any]]:
    """Yield each kind of automated decision with its logic, how to object, and the latest decisions."""
    for explainer, decisions in explain_decisions(customer_id=customer_id, as_of=as_of, limit=MAX_DECISIONS):
        yield {
            "kind": explainer.key,
            "label": explainer.label,
            "logic": explainer.logic,
            "data": explainer.data,
            "objection": explainer.objection.value,
            "decisions": [
                {"at": decision.at, "text": decision.text, "version": decision.version, "reasons": decision.reasons}
                for decision in decisions
            ],
        }


def write_csv(target: TextTarget, content: StoreContent, person: Person) -> None:
    """Write one table; nested values are JSON, and no cell runs as a formula."""
    columns = list(content.columns)
    writer = CsvWriter(target)
    writer.write_row(columns)
    for record in content.store.export(person):
        writer.write_row([to_cell(record.get(column)) for column in columns])


def dump(value: Any) -> str:
    return json.dumps(to_json_value(value), ensure_ascii=False)
