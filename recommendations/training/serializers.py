"""The shape of model versions and their figures."""

from rest_framework import serializers

from recommendations.training.models import EvaluationRun, ModelVersion


class EvaluationSerializer(serializers.ModelSerializer):
    class Meta:
        model = EvaluationRun
        fields = [
            "protocol", "cut_at", "started_at", "finished_at", "status", "primary_metric", "test_users", "figures", "comparisons", "tried",
        ]  # fmt: skip


class ModelVersionSerializer(serializers.ModelSerializer):
    evaluations = EvaluationSerializer(many=True, read_only=True)

    class Meta:
        model = ModelVersion
        fields = [
            "version", "scenario", "algorithm", "status", "why", "parameters", "metrics", "as_of", "data_from", "interactions", "users",
            "items", "data_fingerprint", "created_at", "activated_at", "evaluations",
        ]  # fmt: skip


class PromotionSerializer(serializers.Serializer):
    why = serializers.CharField(required=False, default="", max_length=500, help_text="Kept with the version.")
