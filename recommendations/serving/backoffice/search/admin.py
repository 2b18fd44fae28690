"""Admin of synonyms, with the search preview."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.postgres.fields import ArrayField
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from import_export.admin import ImportExportModelAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.decorators import action, display

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.table_formats import TABLE_FORMATS
from recommendations.serving.backoffice.search import pages
from recommendations.serving.backoffice.search.forms import SynonymForm
from recommendations.serving.backoffice.search.resources import SynonymResource
from recommendations.serving.search.models import Synonym


@admin.register(Synonym)
class SynonymAdmin(ModelAdmin, ImportExportModelAdmin):
    resource_classes = (SynonymResource,)
    formats = TABLE_FORMATS
    import_form_class = ImportForm
    export_form_class = ExportForm
    form = SynonymForm
    list_display = ("show_terms", "show_replacements", "language", "enabled", "updated_at")
    list_filter = ("enabled", "language")
    search_fields = ("terms", "replacements")
    show_full_result_count = False
    readonly_fields = ("updated_at",)
    fields = ("terms", "replacements", "language", "enabled", "updated_at")
    actions = ("enable", "disable")
    actions_list = ("show_builtin",)

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, ArrayField):
            field.widget.attrs["rows"] = 2
        return field

    @display(description=_("terms"), ordering="terms")
    def show_terms(self, synonym: Synonym) -> str:
        return ", ".join(synonym.terms)

    @display(description=_("also finds"))
    def show_replacements(self, synonym: Synonym) -> str:
        return f"→ {', '.join(synonym.replacements)}" if synonym.replacements else "↔"

    @admin.action(description=_("Enable the selected synonyms"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Synonym]) -> None:
        self.set_enabled(request, queryset, enabled=True)

    @admin.action(description=_("Disable the selected synonyms"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Synonym]) -> None:
        self.set_enabled(request, queryset, enabled=False)

    def set_enabled(self, request: HttpRequest, queryset: QuerySet[Synonym], *, enabled: bool) -> None:
        changed = queryset.exclude(enabled=enabled).update(enabled=enabled, updated_at=timezone.now())
        text = ngettext("%(count)d synonym was changed.", "%(count)d synonyms were changed.", changed)
        messages.success(request, text % {"count": changed})

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview)
        builtin = self.admin_site.admin_view(self.list_builtin)
        return [
            path("preview/", preview, name="serving_search_preview"),
            path("builtin/", builtin, name="serving_synonym_builtin"),
            *super().get_urls(),
        ]

    def list_builtin(self, request: HttpRequest) -> HttpResponse:
        return pages.show_builtin_synonyms(request, model_admin=self)

    @action(description=_("Built-in synonyms"), url_path="show-builtin", permissions=["view"], icon="menu_book")
    def show_builtin(self, request: HttpRequest) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:serving_synonym_builtin"))

    def preview(self, request: HttpRequest) -> HttpResponse:
        return pages.show_preview_page(request, model_admin=self)
