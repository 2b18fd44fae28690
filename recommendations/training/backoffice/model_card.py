"""Everything that the model card of a version shows."""

from typing import Any

from django.utils.formats import number_format

from recommendations.training.backoffice import model_card_charts
from recommendations.training.backoffice.cold_start_card import cold_people_section
from recommendations.training.backoffice.placements_card import places_table
from recommendations.training.models import EvaluationRun, ModelVersion


def grouped(number: int) -> str:
    return number_format(number, force_grouping=True)


def card_of(version: ModelVersion, *, tried_order: str) -> dict[str, Any]:
    """Empty for a version without a training on record."""
    run = version.evaluations.filter(status=EvaluationRun.Status.DONE).select_related("model_version").first()
    if run is None:
        return {}
    card: dict[str, Any] = {
        "evaluation": run,
        "explanation": version.explanation(),
        "sizes": {name: grouped(getattr(version, name)) for name in ("interactions", "users", "items")},
        "kinds": model_card_charts.kinds_table(run),
        "parts": model_card_charts.parts_table(run),
        "left_out": model_card_charts.left_out_table(run),
        "tried": model_card_charts.tried_table(run, tried_order),
        "tried_order": tried_order,
        "tried_chart": model_card_charts.tried_chart(run),
        "resources": run.resources,
        "places": places_table(run),
    }
    if not run.figures:
        return card
    return card | {
        "limits": model_card_charts.limits_of(run),
        "table": model_card_charts.evaluation_table(run),
        "beyond": model_card_charts.evaluation_table(run, model_card_charts.BEYOND_METRICS),
        "chart": model_card_charts.interval_chart(run),
        "comparisons": model_card_charts.named_comparisons(run),
        "segments": model_card_charts.segment_table(run),
        "segment_chart": model_card_charts.segment_chart(run),
        "new_products": model_card_charts.new_products_table(run),
        "ablation_chart": model_card_charts.ablation_chart(run),
        "popularity_chart": model_card_charts.popularity_chart(run),
        "cold_people": cold_people_section(run),
    }
