"""One sentence on how good the active recommendation model is."""

from django.utils.translation import gettext as _

from config.foundation.number_formats import format_count, format_whole_percent
from recommendations.training.models import EvaluationRun, ModelVersion

METRIC, LIMITED_METRIC, PRODUCTS, BASELINE = "hit_rate@10", "hit_rate_limited@10", 10, "popularity"


def describe_active_model() -> str:
    """Return how often the active model's products were bought afterwards, compared with best sellers; "" without an evaluation."""
    version = ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).order_by("-activated_at").first()
    if version is None:
        return _(
            "No model has been trained yet. Until the first training, placements show the newest or most popular products."
        )
    run = version.evaluations.filter(status=EvaluationRun.Status.DONE).first()
    return describe_evaluation(run) if run is not None else ""


def describe_evaluation(run: EvaluationRun) -> str:
    """Return the share of test customers who later bought at least one recommended product; "" without the figures.

    The products are those of “For you”, which limits the purchased ones among them; runs before that limit have no figure for it.
    """
    served = run.model_version.algorithm if run.model_version is not None else ""
    limited, baseline = read_value(run, served, LIMITED_METRIC), read_value(run, BASELINE, METRIC)
    model = read_value(run, served, METRIC) if limited is None else limited
    if model is None or baseline is None:
        return ""
    values = {
        "model": format_whole_percent(model),
        "baseline": format_whole_percent(baseline),
        "customers": format_count(run.test_users),
        "products": PRODUCTS,
    }
    if model > baseline:
        return (
            _(
                "Recommendations are better than best sellers: of %(customers)s test customers, %(model)s later bought at least "
                "one of their %(products)d recommended products; with the %(products)d best sellers, it would be %(baseline)s."
            )
            % values
        )
    return (
        _(
            "Recommendations are not better than best sellers: of %(customers)s test customers, %(model)s later bought at least "
            "one of their %(products)d recommended products; with the %(products)d best sellers, it would be %(baseline)s. Train again "
            "when more orders have arrived."
        )
        % values
    )


def read_value(run: EvaluationRun, algorithm: str, metric: str) -> float | None:
    value: float | None = (run.figures.get(algorithm, {}).get(metric) or {}).get("value")
    return value
