"""The people behind a figure, fifty per page, and saving them as a segment."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_moment, join_sentences
from customers.analytics.backoffice.access import ADD_SEGMENT, VIEW_CUSTOMERS, check_analytics_permissions
from customers.analytics.backoffice.addresses import HASH_LENGTH, parse_json
from customers.analytics.backoffice.people.conditions import build_condition
from customers.analytics.backoffice.people.figure_names import NAMES, make_back_url, name_figure
from customers.analytics.expressions.parameters import ParameterError, parse_parameters
from customers.analytics.models import AnalyticsResult
from customers.analytics.people import MAX_LISTED, PeopleOfFigure, find_people, parse_selection
from customers.analytics.questions.registry import get_question
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.models import CustomerProfile
from customers.segments.backoffice.customer_list.rows import CustomerRow, make_rows
from customers.segments.conditions.condition_labels import describe_condition
from customers.segments.editing import NameTakenError, create_static_segment
from customers.segments.membership import count_matching, count_members
from customers.segments.saved_customers import save_customers
from customers.warehouse.engines.base import WarehouseEngineError, describe_absence

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
MAX_SAVED = 2_000_000
# a condition that matches a smaller share of the figure's people is not the first choice
FAR_FEWER = 0.5
COLUMNS = (
    Column(key="name", label=gettext_lazy("customer"), align="text"),
    Column(key="stage", label=gettext_lazy("lifecycle stage"), align="text"),
    Column(key="value", label=gettext_lazy("predicted value")),
    Column(key="last_order", label=gettext_lazy("last order")),
)


class SavePeopleForm(forms.Form):
    """The name of the segment, and whether it follows a condition."""

    name = forms.CharField(label=gettext_lazy("name"), max_length=200)
    kind = forms.ChoiceField(
        choices=[("dynamic", gettext_lazy("dynamic")), ("static", gettext_lazy("static"))], required=False
    )


@dataclass(frozen=True)
class SelectedFigure:
    """A figure of a result whose people are asked for."""

    question: str
    parameters: Any
    selection: Any
    as_of: datetime

    def find(self, limit: int) -> PeopleOfFigure:
        return find_people(
            question=self.question, parameters=self.parameters, selection=self.selection, now=self.as_of, limit=limit
        )


def read_figure(request: HttpRequest, question: str, *, now: datetime) -> SelectedFigure:
    """Return the figure of the URL. Raises ParameterError."""
    kind, key = get_question(question), request.GET.get("k", "")
    if len(key) != HASH_LENGTH or not key.isalnum():
        raise ParameterError("k", _("no figure; open the people from a chart or table."))
    row = AnalyticsResult.objects.filter(question=question, parameters_hash__startswith=key).defer("content").first()
    if row is None:
        raise ParameterError("k", _("the result is no longer stored; open the report again."))
    parameters = parse_parameters(kind.parameters, row.parameters)
    selection = parse_selection(kind, parse_json(request.GET.get("s", "{}"), "s"))
    try:
        as_of = datetime.fromisoformat(request.GET.get("at", ""))
    except ValueError:
        as_of = now
    return SelectedFigure(
        question, parameters, selection, min(as_of, now) if as_of.tzinfo and as_of.year > 1970 else now
    )


def show_people(request: HttpRequest, question: str) -> HttpResponse:
    """Show who is behind a figure; a POST saves them as a segment."""
    check_analytics_permissions(request, VIEW_CUSTOMERS)
    now = timezone.now()
    if question not in NAMES:
        raise Http404
    try:
        figure = read_figure(request, question, now=now)
        people = figure.find(MAX_LISTED)
        title = name_figure(
            figure.question, figure.parameters, figure.selection, with_personal=may_see_personal(request)
        )
        return answer_with_people(request, figure, people, title, now=now)
    except ParameterError as error:
        return show_problem(request, str(error), status=400)
    except WarehouseEngineError as error:
        logger.error("Answered 503: %s", error)
        return show_problem(request, describe_absence(), status=503)


def show_problem(request: HttpRequest, problem: str, *, status: int) -> HttpResponse:
    """Show why there is no list."""
    return render_page(request, "admin/analytics/people.html", title=_("People"), problem=problem, status=status)


def answer_with_people(
    request: HttpRequest, figure: SelectedFigure, people: PeopleOfFigure, title: str, *, now: datetime
) -> HttpResponse:
    """Show the list, or save it as a segment. Errors: WarehouseEngineError."""
    condition = build_condition(figure.question, figure.parameters, figure.selection, today=timezone.localdate(now))
    size = count_matching(condition=condition, as_of=now) if condition else None
    form = SavePeopleForm(request.POST or None, initial={"name": title[:200]})
    if (
        request.method == "POST"
        and form.is_valid()
        and (saved := save_people(request, form, figure, title, condition, now))
    ):
        return saved
    return render_page(
        request,
        "admin/analytics/people.html",
        title=title,
        verdict=describe_people(people),
        as_of=figure.as_of,
        back=make_back_url(figure.question, figure.parameters),
        table=build_people_table(request, people.customer_ids, now=now),
        form=form,
        condition=describe_condition(condition) if condition else [],
        condition_size=size,
        is_static_first=size is not None and size < people.count * FAR_FEWER,
        may_save=request.user.has_perm(ADD_SEGMENT) and people.count > 0,
        total=people.count,
        status=422 if form.is_bound else None,
    )


def describe_people(people: PeopleOfFigure) -> str:
    """Return how many people there are, and how many of them the list shows."""
    text = ngettext("%(count)s person.", "%(count)s people.", people.count) % {"count": format_count(people.count)}
    if people.count <= len(people.customer_ids):
        return text
    shown = _("The list shows the first %(shown)s people; a saved segment includes all of them.")
    return join_sentences([text, shown % {"shown": format_count(len(people.customer_ids))}])


def build_people_table(request: HttpRequest, ids: list[int], *, now: datetime) -> Any:
    """Return a page of people; their names follow the masking policy."""
    number = request.GET.get("people_page", "1")
    first = (int(number) - 1) * PAGE_SIZE if number.isdecimal() and len(number) < 7 and int(number) > 0 else 0
    first = min(first, (max(len(ids), 1) - 1) // PAGE_SIZE * PAGE_SIZE)
    rows = {
        row.pk: row
        for row in make_rows(
            ids[first : first + PAGE_SIZE], as_of=now, with_personal=may_see_personal(request), with_segments=False
        )
    }

    def format_row(pk: int) -> dict[str, Any]:
        return format_person(pk, rows.get(pk))

    return build_table(
        request, ids, id="people", label=_("People"), columns=COLUMNS, format_row=format_row, page_size=PAGE_SIZE
    )


def format_person(pk: int, row: CustomerRow | None) -> dict[str, Any]:
    if row is None:  # seen since the last refresh of the profiles
        return {"name": Cell(_("Customer #%(number)s") % {"number": pk})}
    return {
        "name": Cell(row.name, url=row.url, title=row.detail),
        "stage": capfirst(row.stage),
        "value": row.value,
        "last_order": row.last_order,
    }


def save_people(
    request: HttpRequest, form: SavePeopleForm, figure: SelectedFigure, title: str, condition: Any, now: datetime
) -> HttpResponse | None:
    """Save the segment and open it; None if the form has an error."""
    check_analytics_permissions(request, VIEW_CUSTOMERS, ADD_SEGMENT)
    is_dynamic = condition is not None and form.cleaned_data["kind"] != "static"
    description = _("Saved from analytics: %(title)s, as of %(time)s") % {
        "title": title,
        "time": format_moment(figure.as_of),
    }
    name = form.cleaned_data["name"]
    try:
        if is_dynamic:
            nobody = CustomerProfile.objects.none()
            segment = save_customers(
                name=name, description=description, customers=nobody, condition=condition, as_of=now
            )
        else:
            ids = figure.find(MAX_SAVED).customer_ids
            segment = create_static_segment(name=name, description=description, customer_ids=ids)
            count_members(segment=segment, as_of=now)
    except NameTakenError as error:
        form.add_error("name", str(error))
        return None
    size = segment.size or 0
    message = ngettext("Segment saved with %(count)s customer.", "Segment saved with %(count)s customers.", size)
    messages.success(request, message % {"count": format_count(size)})
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
