"""Back office of identifier transfers: a list with an action that undoes them."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.admin.read_only import ReadOnlyAdmin
from customers.identity.merging.merge import MergeError
from customers.identity.merging.transfers import revert_transfer
from customers.identity.models import IdentifierTransfer

MAY_UNDO = "identity.change_identifiertransfer"


@admin.register(IdentifierTransfer)
class IdentifierTransferAdmin(ReadOnlyAdmin):
    list_display = ["labeled_transfer", "kind", "reason", "at", "cause", "reverted_at", "reverted_by"]
    list_filter = ["reason", ("reverted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["identifier"]
    search_fields = ["cause__exact", "=from_id", "=to_id"]
    search_help_text = gettext_lazy("Enter a message ID or a customer number.")
    fields = ["kind", "from_id", "to_id", "reason", "at", "cause", "reverted_at", "reverted_by"]
    actions = ["undo"]

    @admin.display(description=gettext_lazy("identifier transfer"), ordering="id")
    def labeled_transfer(self, obj: IdentifierTransfer) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("identifier"), ordering="identifier__kind")
    def kind(self, obj: IdentifierTransfer) -> str:
        return str(obj.identifier)

    def has_undo_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_UNDO)

    @admin.action(description=gettext_lazy("Undo selected transfers"), permissions=["undo"])
    def undo(self, request: HttpRequest, queryset: QuerySet[IdentifierTransfer]) -> None:
        n_undone = 0
        for transfer_id in queryset.order_by("-id").values_list("pk", flat=True):
            try:
                revert_transfer(transfer_id=transfer_id, at=timezone.now(), by=request.user.get_username())
            except MergeError as error:
                messages.error(request, str(error))
            else:
                n_undone += 1
        if n_undone:
            text = ngettext(
                "%(count)d transfer was undone. No event will repeat it.",
                "%(count)d transfers were undone. No event will repeat them.",
                n_undone,
            )
            messages.success(request, text % {"count": n_undone})
