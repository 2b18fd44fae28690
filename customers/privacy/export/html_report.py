"""The readable part of an export: one HTML file that opens offline and prints well, without scripts or outside files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.utils.html import escape
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection
from config.foundation.csv_cells import TextStream
from config.foundation.number_formats import format_count, join_label
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.stores import PersonalDataStore
from customers.identity.models import Identifier
from customers.privacy.export.values import to_text

MAX_ROWS = 2000  # of a section; all are in the CSV file
MAX_TABLE_COLUMNS = 7  # wider records are lists of names and values

STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;max-width:60rem;
margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #8886;padding-bottom:.2rem}
h3{font-size:1rem;margin-bottom:.2rem}.note{color:#767676}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
.scroll table{overflow-wrap:normal}
th,td{border:1px solid #8886;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#8882}
dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.1rem 1rem;margin:.6rem 0;padding:.6rem 0;border-top:1px solid #8883;font-size:13px}
dt{color:#767676}dd{margin:0;overflow-wrap:anywhere}li{margin:.15rem 0}
@media(max-width:30rem){dl{grid-template-columns:1fr}}@media print{body{margin:0;max-width:none;font-size:10pt}h2{break-after:avoid}
tr,dl{break-inside:avoid}a{color:inherit;text-decoration:none}}
"""


@dataclass(frozen=True)
class ReportDetails:
    """What the report says about itself."""

    reference: str
    created_at: datetime
    shop_name: str
    language: str


def write_report(
    target: TextStream,
    *,
    person: Person,
    sections: Sequence[tuple[PersonalDataStore, int]],
    decisions: Sequence[tuple[DecisionExplainer, Sequence[Decision]]],
    details: ReportDetails,
) -> None:
    """Write the report in the active language. sections: the stores that have records, with their number."""
    title = _("Your data at %(shop)s") % {"shop": details.shop_name}
    language = "zh-Hans" if details.language == "zh-hans" else details.language
    target.write(
        f'<!doctype html>\n<html lang="{escape(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
    )
    note = _("Created on %(date)s. Reference: %(reference)s.") % {
        "date": to_text(details.created_at),
        "reference": details.reference,
    }
    target.write(f'<p class="note">{escape(note)}</p>\n')
    write_contents(target, sections)
    write_identifiers(target, person)
    write_decisions(target, decisions)
    for store, rows in sections:
        write_section(target, store, rows, person)
    target.write("</body></html>\n")


def write_contents(target: TextStream, sections: Sequence[tuple[PersonalDataStore, int]]) -> None:
    target.write("<ul>\n")
    target.write(f'<li><a href="#identifiers">{escape(_("How you are recognized"))}</a></li>\n')
    target.write(f'<li><a href="#decisions">{escape(_("Automated decisions"))}</a></li>\n')
    for store, rows in sections:
        target.write(
            f'<li><a href="#{escape(store.key)}">{escape(capfirst(str(store.label)))}</a> ({escape(describe_rows(rows))})</li>\n'
        )
    target.write("</ul>\n")


def describe_rows(rows: int) -> str:
    return ngettext("%(count)s record", "%(count)s records", rows) % {"count": format_count(rows)}


def write_identifiers(target: TextStream, person: Person) -> None:
    target.write(f'<h2 id="identifiers">{escape(_("How you are recognized"))}</h2>\n<ul>\n')
    numbers = ", ".join(f"#{number}" for number in person.customer_ids)
    target.write(f"<li>{escape(join_label(_('customer number'), numbers))}</li>\n")
    labels = dict(Identifier.Kind.choices)
    for kind, value in person.identifiers:
        target.write(f"<li>{escape(join_label(labels.get(kind, kind), value))}</li>\n")
    target.write("</ul>\n")


def write_decisions(target: TextStream, decisions: Sequence[tuple[DecisionExplainer, Sequence[Decision]]]) -> None:
    target.write(f'<h2 id="decisions">{escape(_("Automated decisions"))}</h2>\n')
    for explainer, made in decisions:
        target.write(f"<h3>{escape(explainer.label)}</h3>\n<p>{escape(explainer.describe())} ")
        target.write(f"{escape(describe_objection(explainer.objection))}</p>\n")
        if not made:
            target.write(f'<p class="note">{escape(_("No such decision is stored about you."))}</p>\n')
            continue
        target.write("<ul>\n")
        for decision in made:
            target.write(f"<li>{escape(describe_decision(decision))}</li>\n")
        target.write("</ul>\n")


def describe_objection(objection: Objection) -> str:
    if objection == Objection.MARKETING:
        return _("Objecting to marketing ends it immediately.")
    return _("Objecting to profiling ends it immediately.")


def describe_decision(decision: Decision) -> str:
    """Return one decision as a line: when, what, why and by which version."""
    parts = [to_text(decision.at)] if decision.at else []
    parts += [decision.text, *decision.reasons]
    if decision.version:
        parts.append(_("version %(version)s") % {"version": decision.version})
    return " · ".join(parts)


def write_section(target: TextStream, store: PersonalDataStore, rows: int, person: Person) -> None:
    target.write(f'<h2 id="{escape(store.key)}">{escape(capfirst(str(store.label)))}</h2>\n')
    if rows > MAX_ROWS:
        note = _("The first %(shown)s of %(all)s records; the file csv/%(file)s.csv has all of them.") % {
            "shown": format_count(MAX_ROWS),
            "all": format_count(rows),
            "file": store.key,
        }
        target.write(f'<p class="note">{escape(note)}</p>\n')
    records = islice(store.export(person), MAX_ROWS)
    # a record has only the fields that are not empty, so that the columns of a table are known after the last one; a list needs none
    read: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    for record in records:
        read.append(record)
        columns |= dict.fromkeys(record)
        if len(columns) > MAX_TABLE_COLUMNS:
            break
    else:
        write_table(target, list(columns), read)
        return
    for record in chain(read, records):
        target.write("<dl>")
        for name, value in record.items():
            target.write(f"<dt>{escape(name)}</dt><dd>{escape(to_text(value))}</dd>")
        target.write("</dl>\n")


def write_table(target: TextStream, columns: Sequence[str], records: Iterable[dict[str, Any]]) -> None:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    target.write(f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n')
    for record in records:
        cells = "".join(f"<td>{escape(to_text(record.get(column)))}</td>" for column in columns)
        target.write(f"<tr>{cells}</tr>\n")
    target.write("</tbody></table></div>\n")
