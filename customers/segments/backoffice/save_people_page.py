"""The back office's page that saves the people of a figure as a segment, after a look at what it will be."""

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

from customers.lifecycle.backoffice.drilldowns import Selection, SelectionError, people_link, read_selection
from customers.segments.conditions.fields import FIELDS, OPERATORS
from customers.segments.editing import NameTakenError
from customers.segments.saved_people import save_people

MAY_SEE_PEOPLE = "lifecycle.view_customerprofile"


class SaveForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("name"), max_length=200, widget=UnfoldAdminTextInputWidget)


def save_people_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """GET: name, number of people, and whether it will stay up to date. POST: saves it."""
    if not (model_admin.has_add_permission(request) and request.user.has_perm(MAY_SEE_PEOPLE)):
        raise PermissionDenied
    context: dict[str, Any] = {"problems": []}
    try:
        selection = read_selection(request.GET.dict())
    except SelectionError as error:
        context["problems"] = error.problems
    else:
        form = SaveForm(request.POST or None, initial={"name": name_of(selection)})
        count = selection.people.filter(customer__erased_at__isnull=True).count()
        if request.method == "POST" and form.is_valid() and (saved := save(request, form, selection, count)):
            return saved
        context |= {
            "selection": selection,
            "form": form,
            "total": count,
            "is_live": selection.condition is not None,
            "comparisons": list(in_words(selection.condition)) if selection.condition else [],
            "back": people_link(**selection.asked),
        }
    common = {**model_admin.admin_site.each_context(request), "title": _("Save as a segment"), "opts": model_admin.opts}
    return TemplateResponse(request, "admin/segments/save_people.html", {**common, **context})


def name_of(selection: Selection) -> str:
    return f"{selection.title} · {selection.note}"[:200] if selection.note else selection.title[:200]


def in_words(condition: Mapping[str, Any]) -> Iterator[str]:
    """What has to hold, one comparison after the other."""
    for compared in condition["all"]:
        known = FIELDS[compared["field"]]
        names = {value: str(label) for value, label in known.choices}
        value = compared["value"]
        told = [names.get(one, str(one)) for one in value] if isinstance(value, list) else [str(number_format(value))]
        yield f"{known.label} {OPERATORS[compared['op']].label} {', '.join(told)}"


def save(request: HttpRequest, form: SaveForm, selection: Selection, count: int) -> HttpResponse | None:
    """None where it cannot be, which the form then says."""
    if not count and selection.condition is None:
        form.add_error("name", _("Nobody is here, so a fixed list would stay empty."))
        return None
    now = timezone.now()
    description = _("Saved from the lifecycle page: %(title)s, %(note)s, as of %(moment)s") % {
        "title": selection.title,
        "note": selection.note,
        "moment": date_format(timezone.localtime(now), "DATETIME_FORMAT"),
    }
    try:
        segment = save_people(
            name=form.cleaned_data["name"],
            description=description,
            people=selection.people,
            condition=selection.condition,
            as_of=now,
        )
    except NameTakenError as error:
        form.add_error("name", str(error))
        return None
    size = segment.size or 0
    message = ngettext("Saved with %(count)s customer.", "Saved with %(count)s customers.", size)
    messages.success(request, message % {"count": number_format(size, force_grouping=True)})
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
