"""Records in the audit log which objects with personal data a back-office user has seen in plain text."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from config.foundation.audit_log import record_access
from customers.identity.personal_data.masking import may_see_personal


class AuditedReads:
    """Mixin of ModelAdmin for objects with personal data: a list is one entry, and so is the page of an object."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist: ChangeList = super().get_changelist_instance(request)  # type: ignore[misc]
        if may_see_personal(request):
            record_access(model=self.model, pks=[row.pk for row in changelist.result_list])  # type: ignore[attr-defined]
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)  # type: ignore[misc]
        if found is not None and may_see_personal(request):
            record_access(model=self.model, pks=[found.pk])  # type: ignore[attr-defined]
        return found
