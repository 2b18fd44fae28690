"""The page of an import, from its check onward: counts, problems by row, progress, result and undo."""

from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from config.foundation.audit_log import record_export
from config.foundation.backoffice.pages import is_partial_request, render_page
from config.foundation.number_formats import format_count, format_moment
from customers.identity.personal_data.masking import may_see_personal
from customers.imports import runs
from customers.imports.backoffice.access import ValueMask, find_run, may_import
from customers.imports.backoffice.starting import cancel as cancel_run
from customers.imports.backoffice.starting import start_check, start_undo
from customers.imports.backoffice.starting import start_import as start_importing
from customers.imports.backoffice.steps import build_steps
from customers.imports.corrections import correct_rows
from customers.imports.kinds.base import ImportFileError, ImportKind
from customers.imports.kinds.registry import KINDS
from customers.imports.models import ImportRun, ImportState
from customers.imports.problems import (
    MAX_EDITABLE,
    MAX_SHOWN,
    RowProblem,
    describe_problem_group,
    read_problems,
)

STEP_OF_STATE = {ImportState.UPLOADED: "columns", ImportState.CHECKING: "check", ImportState.CHECKED: "check"}


def redirect_to_run(run: ImportRun) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("imports:run", args=[run.pk]))


@staff_member_required
def show_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show the state of an import; htmx asks for it again while it runs."""
    run = find_run(request, run_id)
    kind = runs.get_kind(run)
    has_file = bool(run.upload) and runs.get_path(run).is_file()
    if run.state == ImportState.UPLOADED and has_file and may_import(request, kind):
        return HttpResponseRedirect(reverse("imports:columns", args=[run.pk]))
    context = build_context(request, run, kind, has_file=has_file)
    response = render_page(
        request,
        "admin/imports/run.html",
        partial="admin/imports/run_state.html",
        title=run.file_name,
        steps=build_steps(STEP_OF_STATE.get(ImportState(run.state), "import")),
        **context,
    )
    if is_partial_request(request) and not run.is_running:
        response["HX-Refresh"] = "true"  # the whole page changes: steps, actions, result
    return response


def build_context(request: HttpRequest, run: ImportRun, kind: ImportKind, *, has_file: bool) -> dict[str, Any]:
    mask = ValueMask(request, run)
    problems = list_problems(run, kind, mask)
    can_import = may_import(request, kind)
    is_result = run.state in (ImportState.CHECKED, ImportState.IMPORTED)
    can_edit = (
        run.state == ImportState.CHECKED
        and can_import
        and has_file
        and run.rejected <= MAX_EDITABLE
        and any(problem["key"] for problem in problems)
    )
    return {
        "run": run,
        "kind": kind,
        "percent": runs.read_progress(run) if run.is_running else None,
        "is_being_cancelled": runs.is_being_cancelled(run),
        "can_import": can_import,
        "has_file": has_file,
        "has_columns": bool(kind.fields or kind.options_form),
        "is_result": is_result,
        "figures": build_figures(run, kind) if is_result or run.state == ImportState.UNDONE else [],
        "further": [(kind.count_labels[name], n) for name, n in run.counts.items() if name in kind.count_labels],
        "reasons": [(describe_problem_group(kind, code), n) for code, n in run.problems.items()],
        "problems": problems,
        "can_edit": can_edit,
        "max_shown": MAX_SHOWN,
        "can_download": bool(run.error_file) and (mask.is_open or not kind.describes_people),
        "verdict_text": build_verdict(run, kind),
        "undo_until": format_moment(run.undo_until) if run.undo_until else "",
        "can_undo": can_import and can_undo(run),
        "next_step": find_next_step(request, run),
    }


def find_next_step(request: HttpRequest, run: ImportRun) -> tuple[str, str, str] | None:
    """Return the next step toward recommendations after an import: the text, and the label and URL of the button."""
    if run.state != ImportState.IMPORTED:
        return None
    if run.kind == "orders" and request.user.has_perm("training.view_modelversion"):
        text = _(
            "Next: a training run computes recommendations from these orders. Training runs every night; to see "
            "recommendations sooner, start it now."
        )
        return text, _("Go to training"), reverse("admin:training_modelversion_changelist")
    if run.kind == "products" and may_import(request, KINDS["orders"]):
        text = _("Next: import the orders. Recommendations are learned from them.")
        return text, _("Import orders"), reverse("imports:new", args=["orders"])
    return None


def can_undo(run: ImportRun) -> bool:
    return run.state == ImportState.IMPORTED and run.undo_until is not None and timezone.now() < run.undo_until


def build_figures(run: ImportRun, kind: ImportKind) -> list[tuple[Any, str]]:
    figures = [
        (kind.created_label, run.created),
        (kind.updated_label, run.updated),
        (kind.unchanged_label, run.unchanged),
        (_("Rejected rows"), run.rejected),
    ]
    return [(label, format_count(number)) for label, number in figures if label]


def build_verdict(run: ImportRun, kind: ImportKind) -> str:
    """Return one sentence about the state of the import."""
    values = {"rows": format_count(run.rows), "rejected": format_count(run.rejected)}
    if run.state == ImportState.CHECKED:
        if not run.has_valid_rows:
            return _("No row of the file can be imported. Change the columns, or correct the file.")
        if not run.rejected:
            return _("All %(rows)s rows can be imported. Nothing has been changed yet.") % values
        return (
            ngettext(
                "%(rejected)s of %(rows)s rows has a problem and will not be imported. Nothing has been changed yet.",
                "%(rejected)s of %(rows)s rows have problems and will not be imported. Nothing has been changed yet.",
                run.rejected,
            )
            % values
        )
    if run.state == ImportState.IMPORTED:
        if not run.rejected:
            return _("All %(rows)s rows were imported.") % values
        return (
            ngettext(
                "Imported, except for %(rejected)s of %(rows)s rows.",
                "Imported, except for %(rejected)s of %(rows)s rows.",
                run.rejected,
            )
            % values
        )
    if run.state == ImportState.CANCELLED:
        return _("The import was canceled. Nothing was changed.")
    if run.state == ImportState.UNDONE:
        return _("The import was undone.")
    return ""


def list_problems(run: ImportRun, kind: ImportKind, mask: ValueMask) -> list[dict[str, Any]]:
    """Return the first problems for the page; a value that the user may not see cannot be edited either."""
    if not run.error_file or run.state not in (ImportState.CHECKED, ImportState.IMPORTED):
        return []
    found = read_problems(Path(run.error_file), kind=kind, mapping=run.mapping, columns=run.columns)
    return [describe_problem(problem, kind, mask) for problem in found]


def describe_problem(problem: RowProblem, kind: ImportKind, mask: ValueMask) -> dict[str, Any]:
    field = kind.fields.get(problem.field)
    return {
        "line": problem.line,
        "column": problem.column or (field.label if field else problem.field),
        "value": mask.show(problem.column or problem.field, problem.value),
        "reason": problem.reason,
        "key": "" if mask.is_masked(problem.column, problem.value) else problem.key,
    }


@require_POST
@staff_member_required
def fix_rows(request: HttpRequest, run_id: int) -> HttpResponse:
    """Write corrected values into the file and check it again."""
    run = find_run(request, run_id, for_import=True)
    if run.state != ImportState.CHECKED or not runs.get_path(run).is_file():
        return redirect_to_run(run)
    mask = ValueMask(request, run)
    found = read_problems(Path(run.error_file), kind=runs.get_kind(run), mapping=run.mapping, columns=run.columns)
    corrections: dict[int, dict[str, str]] = {}
    for problem in found:
        value = request.POST.get(problem.key) if problem.key else None
        if value is not None and value != problem.value and not mask.is_masked(problem.column, problem.value):
            corrections.setdefault(problem.line, {})[problem.column] = value
    if not corrections:
        messages.info(request, _("No value was changed."))
        return redirect_to_run(run)
    try:
        changed = correct_rows(
            path=runs.get_path(run), encoding=run.options.get("encoding", ""), corrections=corrections
        )
    except (ImportFileError, OSError) as error:
        messages.error(request, runs.describe_file_error(run, error))
        return redirect_to_run(run)
    run.options.pop("encoding", None)  # the corrected file is UTF-8
    run.save(update_fields=["options"])
    start_check(run)
    messages.success(
        request,
        ngettext(
            "%(count)d row was corrected and checked again.",
            "%(count)d rows were corrected and checked again.",
            changed,
        )
        % {"count": changed},
    )
    return redirect_to_run(run)


@require_POST
@staff_member_required
def start_import(request: HttpRequest, run_id: int) -> HttpResponse:
    run = find_run(request, run_id, for_import=True)
    if not runs.get_path(run).is_file():
        messages.error(request, _("The file was deleted after a week. Upload it again."))
    elif run.state != ImportState.CHECKED or run.has_valid_rows:  # the page itself says that there is nothing to import
        start_importing(run)
    return redirect_to_run(run)


@require_POST
@staff_member_required
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    run = find_run(request, run_id, for_import=True)
    if run.state in (ImportState.CHECKING, ImportState.IMPORTING):
        cancel_run(run)
        if run.is_running:
            messages.info(request, _("The import is being canceled."))
        elif run.state == ImportState.UPLOADED:  # the page of a canceled import says so itself
            messages.info(request, _("The import was canceled."))
    return redirect_to_run(run)


@staff_member_required
def undo(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show what an undo removes and what stays, and undo the import when that is confirmed."""
    run = find_run(request, run_id, for_import=True)
    kind = runs.get_kind(run)
    if run.state == ImportState.IMPORTED and not can_undo(run):
        messages.error(request, _("This import can no longer be undone."))
    elif request.method == "POST":
        start_undo(run)
    elif can_undo(run):
        return render_page(
            request,
            "admin/imports/undo.html",
            title=_("Undo the import of %(file)s?") % {"file": run.file_name},
            run=run,
            kind=kind,
            figures=build_figures(run, kind)[: 2 if run.updated else 1],
        )
    return redirect_to_run(run)


@staff_member_required
def download_rejected(request: HttpRequest, run_id: int) -> FileResponse:
    """Download the rejected rows with their problems."""
    run = find_run(request, run_id)
    kind = runs.get_kind(run)
    if kind.describes_people and not may_see_personal(request):
        raise PermissionDenied
    path = Path(run.error_file)
    if not run.error_file or not path.is_file():
        raise Http404(_("The error file does not exist or was deleted."))
    record_export(model=ImportRun, pks=[run.pk], details={"file": path.name})
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="text/csv")
