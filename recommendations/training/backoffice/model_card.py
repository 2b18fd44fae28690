"""The context of a version's model card."""

from typing import Any

from django.utils.formats import number_format

from recommendations.training.backoffice import model_card_charts, model_card_tables
from recommendations.training.backoffice.cold_start_card import build_cold_start_section
from recommendations.training.backoffice.first_purchases_card import describe_first_purchases
from recommendations.training.backoffice.placements_card import build_placements_table
from recommendations.training.models import EvaluationRun, ModelVersion


def format_count(number: int) -> str:
    """Return a number with thousands separators."""
    return number_format(number, force_grouping=True)


def build_model_card(version: ModelVersion, *, trial_order: str) -> dict[str, Any]:
    """Return the template context; {} for a version without a finished run."""
    run = version.evaluations.filter(status=EvaluationRun.Status.DONE).select_related("model_version").first()
    if run is None:
        return {}
    card: dict[str, Any] = {
        "evaluation": run,
        "explanation": version.explanation,
        "sizes": {name: format_count(getattr(version, name)) for name in ("interactions", "users", "items")},
        "kinds": model_card_tables.build_kinds_table(run),
        "parts": model_card_tables.build_parts_table(run),
        "excluded": model_card_tables.build_excluded_table(run),
        "trials": model_card_tables.build_trials_table(run, trial_order),
        "trial_order": trial_order,
        "trials_chart": model_card_charts.build_trials_chart(run),
        "resources": run.resources,
        "placements": build_placements_table(run),
    }
    if not run.figures:
        return card
    return card | {
        "limits": model_card_tables.list_limits(run),
        "table": model_card_tables.build_evaluation_table(run),
        "beyond": model_card_tables.build_evaluation_table(run, model_card_tables.BEYOND_METRICS),
        "chart": model_card_charts.build_metric_chart(run),
        "first_purchases": describe_first_purchases(run),
        "comparisons": model_card_tables.list_comparisons(run),
        "segments": model_card_tables.build_segment_table(run),
        "segment_chart": model_card_charts.build_segment_chart(run),
        "new_products": model_card_tables.build_new_products_table(run),
        "ablation_chart": model_card_charts.build_ablation_chart(run),
        "popularity_chart": model_card_charts.build_popularity_chart(run),
        "cold_start": build_cold_start_section(run),
    }
