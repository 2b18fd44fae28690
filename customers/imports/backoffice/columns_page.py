"""The second step of an import: which column fills which field, and the options."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from customers.imports import runs
from customers.imports.backoffice.access import ValueMask, find_run
from customers.imports.backoffice.starting import start_check
from customers.imports.backoffice.steps import build_steps
from customers.imports.kinds.base import ImportFileError, ImportKind, Text
from customers.imports.matching import (
    NO_FIELD,
    ColumnMatch,
    describe_fallbacks,
    invert_mapping,
    match_columns,
    normalize_column,
    read_choices,
)
from customers.imports.models import ImportRun, ImportState
from customers.imports.samples import FileSample
from customers.imports.value_types import detect_date_format

ENCODINGS = (
    ("", gettext_lazy("Automatic")),
    ("utf-8", "UTF-8"),
    ("utf-16", "UTF-16"),
    ("gb18030", "GB18030 / GBK"),
    ("windows-1252", "Windows-1252"),
)
EDITABLE_STATES = (ImportState.UPLOADED, ImportState.CHECKED, ImportState.FAILED, ImportState.CANCELLED)
DELIMITER_LABELS = {"\t": gettext_lazy("tab")}


class ReadingForm(forms.Form):
    """How to read the file."""

    preset = forms.ChoiceField(label=gettext_lazy("Exported from"), required=False)
    encoding = forms.ChoiceField(label=gettext_lazy("Encoding"), required=False, choices=ENCODINGS)

    def __init__(self, *args: Any, kind: ImportKind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        presets = [(preset.key, preset.label) for preset in kind.presets.values()]
        presets[:1] = [(key, gettext_lazy("Another system")) for key, _label in presets[:1]]
        if presets:
            self.fields["preset"].choices = presets  # type: ignore[attr-defined]
        else:
            del self.fields["preset"]


@dataclass(frozen=True)
class ColumnRow:
    """A column of the file as the page shows it."""

    name: str
    position: int
    examples: list[str]
    field: str
    reason: str
    is_read: bool
    fallbacks: list[tuple[Any, str]]


@dataclass
class ReadFile:
    """The file as the page reads it; ``problem`` says why it cannot be read."""

    form: ReadingForm
    encoding: str
    preset: str
    sample: FileSample
    match: ColumnMatch
    problem: str = ""


@staff_member_required
def match_file_columns(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show the columns with their matches, and check the file when they are confirmed."""
    run = find_run(request, run_id, for_import=True)
    kind = runs.get_kind(run)
    if run.state not in EDITABLE_STATES or not runs.get_path(run).is_file():
        return HttpResponseRedirect(reverse("imports:run", args=[run.pk]))
    file = read_file(request, run, kind)
    options = build_options_form(request, run, kind, file.sample, file.match)
    if request.method == "POST" and not file.problem and confirm_columns(request, run, kind, file, options):
        start_check(run)
        return HttpResponseRedirect(reverse("imports:run", args=[run.pk]))
    return render_page(
        request,
        "admin/imports/columns.html",
        title=_("Match the columns of %(file)s") % {"file": run.file_name},
        run=run,
        kind=kind,
        steps=build_steps("columns"),
        reading=file.form,
        options=options,
        problem=file.problem,
        missing=[] if file.problem else kind.find_missing_fields(file.match.mapping, file.preset),
        missing_help=kind.presets[file.preset].missing_help if file.preset in kind.presets else "",
        is_checked=request.method == "POST",
        rows=build_rows(request, run, kind, file.sample, file.match),
        choices=build_choices(kind),
        keeps_others=kind.keeps_other_columns(file.preset),
        derived=list_derived(kind, file.preset),
        encoding=file.sample.encoding,
        delimiter=DELIMITER_LABELS.get(file.sample.delimiter, file.sample.delimiter),
        preset=file.preset,
    )


def read_file(request: HttpRequest, run: ImportRun, kind: ImportKind) -> ReadFile:
    """Read the columns with the chosen encoding and preset; if the choice has changed, propose new matches."""
    parameters = request.POST if request.method == "POST" else request.GET
    earlier_encoding = run.options.get("encoding", "")
    form = ReadingForm(
        parameters if "reading" in parameters else None,
        kind=kind,
        initial={"preset": run.preset, "encoding": earlier_encoding},
    )
    encoding, preset = earlier_encoding, run.preset
    if form.is_bound and form.is_valid():
        encoding, preset = form.cleaned_data["encoding"], form.cleaned_data.get("preset", "")
    match = ColumnMatch(run.preset, {name: list(columns) for name, columns in run.mapping.items()})
    try:
        sample = runs.read_run_sample(run, encoding=encoding)
    except ImportFileError as error:
        return ReadFile(form, encoding, preset, FileSample(()), match, str(error))
    if (encoding, preset) != (earlier_encoding, run.preset):
        match = match_columns(kind=kind, sample=sample, preset=preset)
    elif request.method == "GET":
        proposed = match_columns(kind=kind, sample=sample, preset=preset, remembered=runs.find_remembered(run))
        match.reasons = proposed.reasons
    return ReadFile(form, encoding, preset, sample, match)


def confirm_columns(
    request: HttpRequest, run: ImportRun, kind: ImportKind, file: ReadFile, options: forms.Form | None
) -> bool:
    """Store the chosen columns and options, if they are complete; return whether they are."""
    columns = [column.name for column in file.sample.columns]
    file.match.mapping = read_choices(
        kind=kind,
        preset=file.preset,
        columns=columns,
        choices=read_posted_choices(request, file.sample),
        previous=file.match.mapping,
    )
    if kind.find_missing_fields(file.match.mapping, file.preset) or not (options is None or options.is_valid()):
        return False
    chosen = dict(options.cleaned_data) if options is not None else {}
    run.columns = columns
    runs.save_mapping(
        run,
        mapping=file.match.mapping,
        preset=file.preset,
        options=chosen | ({"encoding": file.encoding} if file.encoding else {}),
    )
    return True


def build_options_form(
    request: HttpRequest, run: ImportRun, kind: ImportKind, sample: FileSample, match: ColumnMatch
) -> forms.Form | None:
    """Return the form of the kind's options, with those of the last import of this source and the dates that the file has."""
    if kind.options_form is None:
        return None
    initial = dict(run.options or find_last_options(run))
    if "date_format" in kind.options_form.base_fields and not initial.get("date_format"):
        dates = [
            value
            for name, columns in match.mapping.items()
            if name in kind.fields and kind.fields[name].type == "date"
            for value in sample.get_values(columns[0])
        ]
        initial["date_format"] = detect_date_format(dates)
    return kind.options_form(request.POST if request.method == "POST" else None, initial=initial)


def find_last_options(run: ImportRun) -> dict[str, Any]:
    """Return the options of the last import of this source that apply to more than one file."""
    last = (
        ImportRun.objects.filter(kind=run.kind, source=run.source, finished_at__isnull=False)
        .exclude(pk=run.pk)
        .order_by("-created_at", "-id")
        .first()
    )
    return {name: value for name, value in last.options.items() if name not in ("encoding", "force")} if last else {}


def read_posted_choices(request: HttpRequest, sample: FileSample) -> dict[str, str]:
    """Return the chosen field of each column; the selects are numbered, because a column may have any name."""
    return {
        column.name: request.POST.get(f"column-{position}", NO_FIELD) for position, column in enumerate(sample.columns)
    }


def build_rows(
    request: HttpRequest, run: ImportRun, kind: ImportKind, sample: FileSample, match: ColumnMatch
) -> list[ColumnRow]:
    mask = ValueMask(request, run)
    fields, fallbacks = invert_mapping(match.mapping), describe_fallbacks(match.mapping, kind)
    for name, columns in match.mapping.items():
        for column in columns[1:]:
            fields.setdefault(column, name if request.method == "POST" else "")
    preset = kind.presets.get(match.preset)
    read_by_preset = set(map(normalize_column, preset.read_columns)) if preset else set()
    return [
        ColumnRow(
            name=column.name,
            position=position,
            examples=[mask.show(column.name, value) for value in column.list_examples()],
            field=fields.get(column.name, ""),
            reason=match.reasons.get(column.name, ""),
            is_read=normalize_column(column.name) in read_by_preset,
            fallbacks=fallbacks.get(column.name, []),
        )
        for position, column in enumerate(sample.columns)
    ]


def build_choices(kind: ImportKind) -> list[tuple[str, str]]:
    """Return the fields for the selects; required ones are marked."""
    any_of = {name for names in kind.required_any for name in names}
    return [
        (name, f"{spec.label} *" if spec.is_required or name in any_of else str(spec.label))
        for name, spec in kind.fields.items()
    ]


def list_derived(kind: ImportKind, preset: str) -> list[tuple[Text, Text]]:
    """Return the fields that the preset computes, with how."""
    if preset not in kind.presets:
        return []
    return [(kind.fields[name].label, text) for name, text in kind.presets[preset].derived_fields.items()]
