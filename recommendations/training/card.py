"""Everything that the model card of a version shows."""

from typing import Any

from django.utils.formats import number_format

from recommendations.training import figures
from recommendations.training.cold_people_card import cold_people_section
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.places_card import places_table


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
        "kinds": figures.kinds_table(run),
        "parts": figures.parts_table(run),
        "left_out": figures.left_out_table(run),
        "tried": figures.tried_table(run, tried_order),
        "tried_order": tried_order,
        "tried_chart": figures.tried_chart(run),
        "resources": run.resources,
        "places": places_table(run),
    }
    if not run.figures:
        return card
    return card | {
        "limits": figures.limits_of(run),
        "table": figures.evaluation_table(run),
        "beyond": figures.evaluation_table(run, figures.BEYOND_METRICS),
        "chart": figures.interval_chart(run),
        "comparisons": figures.named_comparisons(run),
        "segments": figures.segment_table(run),
        "segment_chart": figures.segment_chart(run),
        "new_products": figures.new_products_table(run),
        "ablation_chart": figures.ablation_chart(run),
        "popularity_chart": figures.popularity_chart(run),
        "cold_people": cold_people_section(run),
    }
