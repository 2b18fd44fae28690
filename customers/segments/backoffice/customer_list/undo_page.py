"""The page that undoes an addition of customers to a static segment."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.pages import render_page
from customers.segments.backoffice.customer_list.access import CHANGE_SEGMENT_PERMISSION, check_list_permissions
from customers.segments.customer_list.additions import undo_addition
from customers.segments.models import SegmentAddition


def show_undo_page(request: HttpRequest, addition_id: int) -> HttpResponse:
    """Ask before the customers are taken out of the segment; on POST, do it."""
    check_list_permissions(request)
    addition = get_object_or_404(SegmentAddition.objects.select_related("segment"), pk=addition_id)
    if addition.user_id != request.user.pk:
        check_list_permissions(request, CHANGE_SEGMENT_PERMISSION)
    if request.method == "POST":
        removed = undo_addition(addition=addition, as_of=timezone.now())
        text = ngettext(
            "%(count)s customer was removed from “%(segment)s”.", "%(count)s customers were removed from “%(segment)s”.",
            removed,
        )  # fmt: skip
        values = {"count": number_format(removed, force_grouping=True), "segment": addition.segment.name}
        messages.success(request, text % values)
        return HttpResponseRedirect(reverse("customer_list:list"))
    return render_page(
        request, "admin/segments/customer_list/undo.html", title=_("Undo the addition"), addition=addition
    )
