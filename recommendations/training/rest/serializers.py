"""Serializers of model versions and evaluation runs."""

from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from recommendations.training.models import EvaluationRun, ModelVersion


class EvaluationSerializer(serializers.ModelSerializer):
    class Meta:
        model = EvaluationRun
        fields = [
            "protocol", "cut_at", "started_at", "finished_at", "status", "primary_metric", "target", "test_users", "figures",
            "comparisons", "segments", "ablation", "interactions_by_kind", "left_out", "resources", "tried",
        ]  # fmt: skip


class ModelVersionSerializer(serializers.ModelSerializer):
    evaluations = EvaluationSerializer(many=True, read_only=True)
    why = serializers.CharField(
        source="explanation",
        read_only=True,
        help_text="Why the version is or is not active, in the language of Accept-Language.",
    )

    class Meta:
        model = ModelVersion
        fields = [
            "version", "scenario", "algorithm", "status", "why", "reasons", "parameters", "metrics", "as_of", "data_from", "interactions", "users",
            "items", "data_fingerprint", "created_at", "activated_at", "evaluations",
        ]  # fmt: skip


class PromotionSerializer(StrictTypesMixin, serializers.Serializer):
    why = serializers.CharField(
        required=False, default="", max_length=500, help_text="A comment, saved with the version."
    )
