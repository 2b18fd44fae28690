"""The first step of an import: the file and the system that it is from."""

from typing import Any

from django import forms
from django.contrib.admin.views.decorators import staff_member_required
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from customers.imports import runs
from customers.imports.backoffice.access import find_kind, require_import
from customers.imports.backoffice.starting import start_check
from customers.imports.backoffice.steps import build_steps
from customers.imports.kinds.base import ImportFileError
from customers.imports.models import ImportRun

validate_source = RegexValidator(
    r"^[A-Za-z0-9_-]+\Z", gettext_lazy("Use only Latin letters, digits, hyphens and underscores, such as shopify.")
)


class WizardUploadForm(forms.Form):
    """The file of an import, and its source."""

    file = forms.FileField(label=gettext_lazy("File"))
    source = forms.CharField(
        label=gettext_lazy("Source"),
        max_length=100,
        validators=[validate_source],
        help_text=gettext_lazy(
            "Short name of the system that the file is from, such as shopify. IDs are unique within it, and the matched "
            "columns are remembered for its next file."
        ),
    )


def describe_storage_error(error: OSError) -> str:
    """Return why a file could not be stored, in which folder, and what to do."""
    return _(
        "The file cannot be stored in %(folder)s: %(reason)s. Ask the operator to check the free space of the disk and the owner of "
        "the folder, which manage.py doctor does, then upload the file again."
    ) % {"folder": runs.UPLOADS.path, "reason": error.strerror or error}


@staff_member_required
def upload_file(request: HttpRequest, kind: str) -> HttpResponse:
    """Store a file and go on to its columns."""
    import_kind = find_kind(kind)
    require_import(request, import_kind)
    sources = list(
        ImportRun.objects.filter(kind=kind).order_by("source").values_list("source", flat=True).distinct()[:20]
    )
    initial = {"source": sources[0] if len(sources) == 1 else import_kind.default_source}
    form = WizardUploadForm(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            run = runs.create_run(
                kind=import_kind,
                file=form.cleaned_data["file"],
                source=form.cleaned_data["source"],
                user=request.user,
                at=timezone.now(),
            )
        except ImportFileError as error:
            form.add_error("file", str(error))
        except OSError as error:
            form.add_error("file", describe_storage_error(error))
        else:
            if import_kind.fields or import_kind.options_form:
                return HttpResponseRedirect(reverse("imports:columns", args=[run.pk]))
            start_check(run)
            return HttpResponseRedirect(reverse("imports:run", args=[run.pk]))
    context: dict[str, Any] = {"kind": import_kind, "form": form, "sources": sources, "steps": build_steps("file")}
    return render_page(
        request, "admin/imports/upload.html", title=_("Import: %(kind)s") % {"kind": import_kind.label}, **context
    )
