from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from recommendations.training.backoffice import pages
from recommendations.training.backoffice.model_card import card_of
from recommendations.training.backoffice.model_card_charts import TRIED_ORDERS
from recommendations.training.evaluation.promotion_criteria import reason
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifacts import DamagedArtifactError
from recommendations.training.registry.promotion import NothingToRollBackError, promote, roll_back
from recommendations.training.runs import running_training


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
        "version", "scenario", "algorithm", "status", "explanation", "as_of", "data_from", "interactions", "users", "items",
        "data_fingerprint", "checksum", "created_at", "activated_at", "refreshed_at",
    ]  # fmt: skip
    list_before_template = "admin/training/training.html"
    actions = ("promote_version", "roll_back_to_earlier")
    change_form_template = "admin/training/modelversion/change_form.html"

    @display(
        description=gettext_lazy("status"),
        label={"active": "success", "rejected": "danger", "candidate": "info", "retired": "warning"},
    )
    def shown_status(self, version: ModelVersion) -> tuple[str, str]:
        return version.status, version.get_status_display()

    @display(description=gettext_lazy("why"))
    def explanation(self, version: ModelVersion) -> str:
        return version.explanation()

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

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("train/", wrap(self.start), name="training_start"),
            path("train/<int:run_id>/", wrap(self.standing), name="training_standing"),
            path("train/<int:run_id>/cancel/", wrap(self.cancel), name="training_cancel"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"running": running_training(), "may_train": self.has_change_permission(request)}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def start(self, request: HttpRequest) -> HttpResponse:
        return pages.start(request, model_admin=self)

    def standing(self, request: HttpRequest, run_id: int) -> HttpResponse:
        return pages.standing(request, model_admin=self, run_id=run_id)

    def cancel(self, request: HttpRequest, run_id: int) -> HttpResponse:
        return pages.cancel(request, model_admin=self, run_id=run_id)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        order = request.GET.get("tried", TRIED_ORDERS[0])
        version = ModelVersion.objects.filter(pk=object_id).first() if object_id.isdigit() else None
        context = card_of(version, tried_order=order) if version is not None else {}
        nothing_to_save = {"show_save": False, "show_save_and_continue": False}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **nothing_to_save, **context}
        )


@admin.register(EvaluationRun)
class EvaluationRunAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at", "model_version", "protocol", "cut_at", "test_users", "status", "percent", "finished_at",
    )  # fmt: skip
    list_filter = ("status", "protocol")
    list_select_related = ("model_version",)
    readonly_fields = [field.name for field in EvaluationRun._meta.fields]
