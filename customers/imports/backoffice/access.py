"""Who may see and start imports, and how values of files are masked."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from config.foundation.audit_log import record_access
from config.foundation.backoffice.permissions import check_permissions
from customers.identity.models import Customer
from customers.identity.personal_data.masking import MASK, mask_text, may_see_personal, replace_personal
from customers.imports.kinds.base import ImportKind
from customers.imports.kinds.registry import KINDS
from customers.imports.models import ImportRun

VIEW_PERMISSION = "imports.view_importrun"


def find_kind(key: str) -> ImportKind:
    if key not in KINDS:
        raise Http404(f"Unknown kind of import {key!r}.")
    return KINDS[key]


def may_import(request: HttpRequest, kind: ImportKind) -> bool:
    return request.user.has_perms(kind.permissions)


def require_view(request: HttpRequest) -> None:
    check_permissions(request, VIEW_PERMISSION)


def require_import(request: HttpRequest, kind: ImportKind) -> None:
    require_view(request)
    if not may_import(request, kind):
        raise PermissionDenied


def find_run(request: HttpRequest, run_id: int, *, for_import: bool = False) -> ImportRun:
    """Return a run that the user may see, or import. Raises Http404 and PermissionDenied."""
    require_view(request)
    run = ImportRun.objects.select_related("started_by").filter(pk=run_id, kind__in=KINDS).first()
    if run is None:
        raise Http404(f"There is no import {run_id}.")
    if for_import:
        require_import(request, KINDS[run.kind])
    return run


class ValueMask:
    """Shows values of a file to a user: personal ones only with permission, which the audit log records."""

    def __init__(self, request: HttpRequest, run: ImportRun) -> None:
        self.is_open = may_see_personal(request)
        self.describes_people = KINDS[run.kind].describes_people
        if self.is_open and self.describes_people:
            record_access(model=Customer, count=1, details={"import": run.pk})

    def show(self, column: str, value: str) -> str:
        if self.is_open or not value:
            return value
        shown = replace_personal(
            {column: value}, lambda _value: MASK, replace_text=mask_text, among_traits=self.describes_people
        )
        return str(next(iter(shown.values())))

    def is_masked(self, column: str, value: str) -> bool:
        return self.show(column, value) != value
