"""The admin page that saves the customers behind a number of a report as a segment."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from customers.lifecycle.backoffice.drilldowns import Drilldown, DrilldownError, make_drilldown_url, parse_drilldown
from customers.segments.conditions.fields import FIELDS, OPERATORS
from customers.segments.editing import NameTakenError
from customers.segments.saved_customers import save_customers

VIEW_PERMISSION = "lifecycle.view_customerprofile"


class SaveSegmentForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("name"), max_length=200, widget=UnfoldAdminTextInputWidget)


def show_save_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Show the number of customers and whether the segment will be dynamic; on POST, save it."""
    if not (model_admin.has_add_permission(request) and request.user.has_perm(VIEW_PERMISSION)):
        raise PermissionDenied
    if request.GET.get("segment") and not model_admin.has_view_permission(request):
        raise PermissionDenied
    context: dict[str, Any] = {"problems": []}
    try:
        selection = parse_drilldown(request.GET.dict())
    except DrilldownError as error:
        context["problems"] = error.problems
    else:
        form = SaveSegmentForm(request.POST or None, initial={"name": build_name(selection)})
        count = selection.customers.filter(customer__erased_at__isnull=True).count()
        if request.method == "POST" and form.is_valid() and (saved := save_segment(request, form, selection, count)):
            return saved
        context |= {
            "selection": selection,
            "form": form,
            "total": count,
            "is_dynamic": selection.condition is not None,
            "comparisons": list(describe_condition(selection.condition)) if selection.condition else [],
            "back": make_drilldown_url(**selection.parameters),
        }
    common = {**model_admin.admin_site.each_context(request), "title": _("Save as a segment"), "opts": model_admin.opts}
    return TemplateResponse(request, "admin/segments/save_people.html", {**common, **context})


def build_name(selection: Drilldown) -> str:
    return f"{selection.title} · {selection.note}"[:200] if selection.note else selection.title[:200]


def describe_condition(condition: Mapping[str, Any]) -> Iterator[str]:
    """Yield a text for each comparison of the condition."""
    for comparison in condition["all"]:
        field = FIELDS[comparison["field"]]
        names = {value: str(label) for value, label in field.choices}
        value = comparison["value"]
        texts = (
            [names.get(item, str(item)) for item in value] if isinstance(value, list) else [str(number_format(value))]
        )
        yield f"{field.label} {OPERATORS[comparison['op']].label} {', '.join(texts)}"


def save_segment(request: HttpRequest, form: SaveSegmentForm, selection: Drilldown, count: int) -> HttpResponse | None:
    """Save the segment and redirect to it; return None if the form has an error."""
    if not count and selection.condition is None:
        form.add_error("name", _("No customers to save. The static segment would be empty."))
        return None
    now = timezone.now()
    description = _("Saved from the lifecycle page: %(title)s, %(note)s, as of %(time)s") % {
        "title": selection.title,
        "note": selection.note,
        "time": date_format(timezone.localtime(now), "DATETIME_FORMAT"),
    }
    try:
        segment = save_customers(
            name=form.cleaned_data["name"],
            description=description,
            customers=selection.customers,
            condition=selection.condition,
            as_of=now,
        )
    except NameTakenError as error:
        form.add_error("name", str(error))
        return None
    size = segment.size or 0
    message = ngettext("Segment saved with %(count)s customer.", "Segment saved with %(count)s customers.", size)
    messages.success(request, message % {"count": number_format(size, force_grouping=True)})
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
