from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from recommendations.training.artifacts import DamagedArtifactError
from recommendations.training.figures import evaluation_table, interval_chart, named_comparisons
from recommendations.training.guards import reason
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.promotion import NothingToRollBackError, promote, roll_back


class ReadOnlyAdmin(ModelAdmin):
    """Records of what a program did: to look at, not to type in."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("version", "scenario", "shown_status", "shown_quality", "interactions", "as_of", "activated_at")
    list_filter = ("status", "scenario", "algorithm")
    search_fields = ("version",)
    fields = readonly_fields = [
        field.name for field in ModelVersion._meta.fields if field.name not in ("id", "metrics")
    ]
    actions = ("promote_version", "roll_back_to_earlier")
    change_form_template = "admin/training/modelversion/change_form.html"

    @display(
        description=gettext_lazy("status"),
        label={"active": "success", "rejected": "danger", "candidate": "info", "retired": "warning"},
    )
    def shown_status(self, version: ModelVersion) -> tuple[str, str]:
        return version.status, version.get_status_display()

    @display(description="NDCG@10")
    def shown_quality(self, version: ModelVersion) -> str:
        figure = version.metrics.get("ndcg@10")
        return f"{figure['value']:.4f} ({figure['low']:.4f} – {figure['high']:.4f})" if figure else "–"

    @admin.action(description=gettext_lazy("Promote: let this version serve"), permissions=["change"])
    def promote_version(self, request: HttpRequest, chosen: QuerySet[ModelVersion]) -> None:
        if chosen.count() != 1:
            self.message_user(request, _("Choose one version."), messages.ERROR)
            return
        version = chosen.get()
        try:
            promote(
                version=version,
                reasons=[reason("promoted_by", user=request.user.get_username())],
                at=timezone.now(),
            )
        except DamagedArtifactError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("%(version)s serves within two seconds.") % {"version": version.version})

    @admin.action(description=gettext_lazy("Roll back to the version before"), permissions=["change"])
    def roll_back_to_earlier(self, request: HttpRequest, chosen: QuerySet[ModelVersion]) -> None:
        scenarios = set(chosen.values_list("scenario", flat=True))
        for scenario in scenarios:
            try:
                version = roll_back(
                    scenario=scenario,
                    reasons=[reason("rolled_back_by", user=request.user.get_username())],
                    at=timezone.now(),
                )
            except (NothingToRollBackError, DamagedArtifactError) as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, _("%(version)s serves within two seconds.") % {"version": version.version})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = (
            EvaluationRun.objects.filter(model_version__pk=object_id, status="done")
            .select_related("model_version")
            .first()
        )
        context = (
            {
                "evaluation": run,
                "table": evaluation_table(run),
                "chart": interval_chart(run),
                "comparisons": named_comparisons(run),
            }
            if run and run.figures
            else {}
        )
        nothing_to_save = {"show_save": False, "show_save_and_continue": False}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **nothing_to_save, **context}
        )


@admin.register(EvaluationRun)
class EvaluationRunAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "model_version", "protocol", "cut_at", "test_users", "status", "step", "finished_at")
    list_filter = ("status", "protocol")
    list_select_related = ("model_version",)
    readonly_fields = [field.name for field in EvaluationRun._meta.fields]
