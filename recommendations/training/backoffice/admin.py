from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import AddDisabled, DeleteDisabled
from config.foundation.number_formats import format_count
from recommendations.placement_labels import get_placement_label
from recommendations.training.backoffice import pages
from recommendations.training.backoffice.labels.verdict import describe_active_model
from recommendations.training.backoffice.model_card import build_model_card
from recommendations.training.backoffice.model_card_tables import TRIAL_ORDERS
from recommendations.training.evaluation.promotion_criteria import make_reason
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifacts import DamagedArtifactError
from recommendations.training.registry.promotion import NothingToRollBackError, promote_version, roll_back_version
from recommendations.training.runs import get_running_training, is_run_alive


@admin.register(ModelVersion)
class ModelVersionAdmin(AddDisabled, DeleteDisabled, ModelAdmin):
    list_display = ("version", "placement", "status_badge", "quality", "interaction_count", "as_of", "activated_at")
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
    def status_badge(self, version: ModelVersion) -> tuple[str, str]:
        return version.status, version.get_status_display()

    @display(description=gettext_lazy("why"))
    def explanation(self, version: ModelVersion) -> str:
        return version.explanation

    @display(description="NDCG@10")
    def quality(self, version: ModelVersion) -> str:
        figure = version.metrics.get("ndcg@10")
        if not figure or figure["value"] is None:  # no test customer bought a product that could be recommended
            return "–"
        return f"{figure['value']:.4f} ({figure['low']:.4f} – {figure['high']:.4f})"

    @display(description=gettext_lazy("placement"), ordering="scenario")
    def placement(self, version: ModelVersion) -> str:
        return str(get_placement_label(version.scenario))

    @display(description=gettext_lazy("interactions"), ordering="interactions")
    def interaction_count(self, version: ModelVersion) -> str:
        return format_count(version.interactions)

    @admin.action(description=gettext_lazy("Promote the selected version"), permissions=["change"])
    def promote_version(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        if queryset.count() != 1:
            self.message_user(request, _("Select exactly one version."), messages.ERROR)
            return
        version = queryset.get()
        try:
            promote_version(
                version=version,
                reasons=[make_reason("promoted_by", user=request.user.get_username())],
                at=timezone.now(),
            )
        except DamagedArtifactError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request, _("%(version)s becomes active within two seconds.") % {"version": version.version}
            )

    @admin.action(description=gettext_lazy("Roll back to the previous version"), permissions=["change"])
    def roll_back_to_earlier(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        for scenario in set(queryset.values_list("scenario", flat=True)):
            try:
                version = roll_back_version(
                    scenario=scenario,
                    reasons=[make_reason("rolled_back_by", user=request.user.get_username())],
                    at=timezone.now(),
                )
            except (NothingToRollBackError, DamagedArtifactError) as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(
                    request, _("%(version)s becomes active within two seconds.") % {"version": version.version}
                )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("train/", wrap(self.start_training), name="training_start"),
            path("train/<int:run_id>/", wrap(self.show_progress), name="training_progress"),
            path("train/<int:run_id>/cancel/", wrap(self.cancel_training), name="training_cancel"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        running = get_running_training()
        context = {
            "running": running,
            "waits": running is None and pages.is_training_waiting(request, at=timezone.now()),
            "may_train": self.has_change_permission(request),
            "verdict": describe_active_model(),
        }
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def start_training(self, request: HttpRequest) -> HttpResponse:
        return pages.start_training(request, model_admin=self)

    def show_progress(self, request: HttpRequest, run_id: int) -> HttpResponse:
        return pages.show_progress(request, model_admin=self, run_id=run_id)

    def cancel_training(self, request: HttpRequest, run_id: int) -> HttpResponse:
        return pages.cancel_training(request, model_admin=self, run_id=run_id)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        order = request.GET.get("tried", TRIAL_ORDERS[0])
        version = (
            ModelVersion.objects.filter(pk=object_id).first() if object_id.isdecimal() and len(object_id) < 19 else None
        )
        context = build_model_card(version, trial_order=order) if version is not None else {}
        nothing_to_save = {"show_save": False, "show_save_and_continue": False}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **nothing_to_save, **context}
        )


@admin.register(EvaluationRun)
class EvaluationRunAdmin(AddDisabled, DeleteDisabled, ModelAdmin):
    list_display = (
        "started_at", "model_version", "protocol", "cut_at", "test_users", "shown_status", "percent", "finished_at",
    )  # fmt: skip
    list_filter = ("status", "protocol")
    list_select_related = ("model_version",)
    readonly_fields = [field.name for field in EvaluationRun._meta.fields]

    @display(description=gettext_lazy("status"), ordering="status")
    def shown_status(self, run: EvaluationRun) -> str:
        """Show the run of a killed process as failed; one query at most, as only one run can be in progress."""
        status = EvaluationRun.Status
        is_lost = run.status == status.RUNNING and not is_run_alive(run)
        return str(status.FAILED.label) if is_lost else run.get_status_display()
