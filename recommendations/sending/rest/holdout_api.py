"""REST endpoints of the reports about the effects of marketing and recommendations."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.measurement.comparison import GroupFigures
from recommendations.sending.global_holdout.measuring import StoredGroup
from recommendations.sending.global_holdout.report import HoldoutEffect, load_recommendation_report, load_report
from recommendations.sending.rest.holdout_serializers import HoldoutReportSerializer, RecommendationReportSerializer

MEASURES = ("conversion", "orders", "revenue", "margin")


class HoldoutReportView(APIView):
    """Incremental lift of all marketing, by comparison with the global holdout group. It is measured every night."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}

    @extend_schema(operation_id="global_holdout_report", responses=HoldoutReportSerializer, tags=["campaigns"])
    def get(self, request: Request) -> Response:
        report = load_report()
        values = {
            "share": report.share,
            "total": build_effect(report.total) if report.total else None,
            "months": [build_effect(effect) for effect in report.months],
            "changes": report.changes,
        }
        return Response(HoldoutReportSerializer(values).data)


class RecommendationReportView(APIView):
    """Incremental lift of recommendations, from the experiments that hold visitors out of them. It is measured every night."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "experiments:read"}

    @extend_schema(
        operation_id="recommendation_holdout_report", responses=RecommendationReportSerializer, tags=["experiments"]
    )
    def get(self, request: Request) -> Response:
        report = load_recommendation_report()
        values = {
            "experiment": report.experiment.key if report.experiment else None,
            "is_simulated": report.experiment is not None and report.experiment.is_simulated,
            "total": build_effect(report.total) if report.total else None,
            "months": [build_effect(effect) for effect in report.months],
        }
        return Response(RecommendationReportSerializer(values).data)


def build_effect(effect: HoldoutEffect) -> dict[str, Any]:
    """Return the fields of an effect."""
    names = (
        "month",
        "began_at",
        "measured_at",
        "is_running",
        "currency",
        "verdict",
        "cost",
        "needed_months",
        "needed_customers",
    )
    comparison = effect.comparison
    return {
        **{name: getattr(effect, name) for name in names},
        "until": effect.end,
        "sample_ratio_p": comparison.sample_ratio_p,
        effect.subject: build_group(comparison.treated, effect.treated),
        "holdout": build_group(comparison.control, effect.holdout),
        **{name: getattr(comparison, name) if effect.is_readable else None for name in MEASURES},
    }


def build_group(figures: GroupFigures, stored: StoredGroup) -> dict[str, Any]:
    names = ("customers", "buyers", "orders", "revenue", "margin")
    return {
        **{name: getattr(figures, name) for name in names},
        "written_to": stored.written,
        "messages": stored.messages,
    }
