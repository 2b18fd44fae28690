"""The page of a question: its builder and its result, whose parameters are in the URL."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from config.foundation.backoffice.pages import is_partial_request, render_page
from config.foundation.csv_cells import format_csv, mark_encoding
from customers.analytics.backoffice.access import (
    ADD_ANNOTATION,
    ADD_REPORT,
    CHANGE_REPORT,
    DELETE_ANNOTATION,
    DELETE_REPORT,
    check_analytics_permissions,
    check_report,
)
from customers.analytics.backoffice.addresses import MAX_LENGTH, format_json, make_question_url, parse_json
from customers.analytics.backoffice.building.builder import BuilderMaker
from customers.analytics.backoffice.building.drafts import Draft, FieldErrors, change_rows, read_draft
from customers.analytics.backoffice.building.question_forms import build_parameters, fill_draft
from customers.analytics.backoffice.question_pages import QUESTION_PAGES, QuestionPage
from customers.analytics.backoffice.shown_results import ShownResult, parse_content, read_parameters, show_result
from customers.analytics.expressions.parameters import ParameterError, dump_parameters
from customers.analytics.models import Annotation, SavedReport
from customers.analytics.report_segments import MissingSegmentError
from customers.analytics.results import cancel_result
from customers.identity.personal_data.masking import may_see_personal
from customers.warehouse.current_tables import NO_EXPORT, is_export_missing

RESULT_ID = "analytics-result"
# fields of parameters that have a place for their error; others are shown above the form
SHOWN_ERRORS = (
    "segment",
    "breakdown",
    "formula",
    "order",
    "steps",
    "series",
    "exclusions",
    "periods",
    "levels",
    "top",
    "rolling",
)


def get_page(question: str) -> QuestionPage:
    """Return the page of a question. Raises Http404."""
    if question not in QUESTION_PAGES:
        raise Http404
    return QUESTION_PAGES[question]


@require_GET
def show_question(request: HttpRequest, question: str) -> HttpResponse:
    """Show the builder and the result; what the form sends is checked, and becomes an address that can be shared."""
    check_analytics_permissions(request)
    page, errors = get_page(question), FieldErrors()
    report = find_report(request, question)
    if "built" in request.GET:
        draft = read_draft(request.GET)
        if change := request.GET.get("change"):
            return render_question(request, page, change_rows(draft, change), errors, report=report)
        content = build_parameters(page.form, draft, errors)
        if not errors:
            check_content(page, content, errors)
        if errors:
            return render_question(request, page, draft, errors, report=report)
        more = {"report": str(report.pk)} if report else {}
        return HttpResponseRedirect(make_question_url(question, content, **more))
    try:
        content = read_content(request, page, report)
        parameters = parse_content(question, content, now=timezone.now())
        options: dict[str, Any] = {name: content[name] for name in ("range", "measure") if name in content}
        draft = fill_draft(page.form, {**dump_parameters(parameters), **options})
        shown = show_result(request, question, content, now=timezone.now())
    except MissingSegmentError as error:
        # the rest of the question stays, so that another segment can be chosen
        errors.add(error.field, error.problem)
        return render_question(request, page, draft, errors, report=report)
    except ParameterError as error:
        errors.add("", _("The URL is not valid: %(reason)s") % {"reason": error})
        return render_question(request, page, fill_draft(page.form, page.start), errors)
    if is_partial_request(request) and request.headers.get("HX-Target") == RESULT_ID:
        return render_page(
            request, "admin/analytics/result.html", title=page.label, partial="admin/analytics/result.html", shown=shown
        )
    return render_question(request, page, draft, errors, shown=shown, report=report)


def find_report(request: HttpRequest, question: str) -> SavedReport | None:
    """Return the saved report of the URL, whose question may have been changed in the builder. Raises Http404."""
    number = request.GET.get("report", "")
    if not number.isdecimal() or len(number) > 9:
        return None
    report = SavedReport.objects.filter(pk=int(number), question=question).first()
    if report is None and not ("ask" in request.GET or "built" in request.GET):
        raise Http404
    return report


def read_content(request: HttpRequest, page: QuestionPage, report: SavedReport | None) -> dict[str, Any]:
    """Return the parameters in the URL, those of the saved report, or those with which the page opens. Raises ParameterError."""
    if report is not None and "ask" not in request.GET:
        check_report(request, report)
        return dict(report.parameters)
    return parse_json(request.GET["ask"], "ask") if request.GET.get("ask") else dict(page.start)


def check_content(page: QuestionPage, content: dict[str, Any], errors: FieldErrors) -> None:
    """Check what the fields alone do not show, and add it to the errors."""
    if len(format_json(content)) > MAX_LENGTH:
        errors.add("", _("This question is too long for a URL. Remove some conditions."))
    try:
        read_parameters(page.question, content, now=timezone.now())
    except ParameterError as error:
        name = error.field if error.field in SHOWN_ERRORS else ""
        errors.add(name, _("This is not valid: %(reason)s") % {"reason": error.problem})


def render_question(
    request: HttpRequest,
    page: QuestionPage,
    draft: Draft,
    errors: FieldErrors,
    *,
    shown: ShownResult | None = None,
    report: SavedReport | None = None,
) -> HttpResponse:
    builder = BuilderMaker(page, draft, errors, with_personal=may_see_personal(request)).make()
    return render_page(
        request,
        "admin/analytics/question.html",
        partial="admin/analytics/builder.html" if request.headers.get("HX-Target") == "analytics-builder" else "",
        title=report.name if report else page.label,
        page=page,
        builder=builder,
        builder_template=f"admin/analytics/builders/{page.question}.html",
        shown=shown,
        report=report,
        is_changed=shown is not None and report is not None and shown.content != report.parameters,
        query="" if shown is None else shown.url.partition("?")[2],
        ask="" if shown is None else shown.query,
        measured_template=f"admin/analytics/measured/{page.question}.html",
        may_save=request.user.has_perm(ADD_REPORT),
        may_change=request.user.has_perm(CHANGE_REPORT),
        may_delete=request.user.has_perm(DELETE_REPORT),
        annotations=Annotation.objects.order_by("-day")[:20] if page.question == "trends" else (),
        may_annotate=request.user.has_perm(ADD_ANNOTATION),
        may_delete_annotation=request.user.has_perm(DELETE_ANNOTATION),
        status=422 if errors else None,
    )


@require_POST
def change_computation(request: HttpRequest, question: str) -> HttpResponse:
    """Cancel a computation, or start it again after it failed or was canceled."""
    check_analytics_permissions(request)
    page, now = get_page(question), timezone.now()
    number = request.POST.get("result", "")
    try:
        content = parse_json(request.POST.get("ask", ""), "ask")
        if request.POST.get("action") == "cancel" and number.isdecimal() and len(number) < 19:
            cancel_result(result_id=int(number), now=now)
        elif request.POST.get("action") == "again":
            show_result(request, page.question, content, now=now, is_forced=True)
    except ParameterError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    return HttpResponseRedirect(make_question_url(page.question, content))


@require_GET
def download_csv(request: HttpRequest, question: str) -> HttpResponse:
    """Download the figures of a result; 409 while there is none."""
    check_analytics_permissions(request)
    page = get_page(question)
    if is_export_missing():
        return HttpResponse(NO_EXPORT, status=409, content_type="text/plain; charset=utf-8")
    report = find_report(request, question)
    try:
        shown = show_result(request, question, read_content(request, page, report), now=timezone.now())
    except ParameterError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    if shown.context is None:
        text = _("The result is being computed. Try again in a moment.")
        return HttpResponse(text, status=409, content_type="text/plain; charset=utf-8")
    rows = page.list_rows(shown.state.result, shown.context)
    response = HttpResponse(mark_encoding([format_csv(rows)]), content_type="text/csv; charset=utf-8")
    name = slugify(report.name if report else question) or question
    response["Content-Disposition"] = (
        f'attachment; filename="{name}-{timezone.localtime(shown.context.as_of):%Y-%m-%d}.csv"'
    )
    return response
