"""The clusters page: a chart and a table of similar customers."""

from typing import Any

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from config.foundation.charts import build_radar_chart
from config.foundation.charts.bars import Series
from config.foundation.number_formats import format_money, format_percent, join_list
from customers.lifecycle.backoffice.drilldowns import make_drilldown_url
from customers.lifecycle.backoffice.labels.cluster_labels import (
    CLUSTER_FEATURE_LABELS,
    get_cluster_names,
    get_trait_phrase,
)
from customers.lifecycle.backoffice.labels.verdicts import describe_clusters
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import load_latest_score_models

SHARE_FEATURES = ("discount_share", "return_share")
MAX_TRAITS = 3  # features in the description


def build_clusters_panel() -> dict[str, Any]:
    """Return the chart and table of the clusters; `reason` says why there are none."""
    score_model = load_latest_score_models().get(ScoreModel.Kind.CLUSTERS)
    if score_model is None or score_model.reason:
        return {"empty": True, "reason": score_model.get_reason_display() if score_model else ""}
    metadata = score_model.parameters["words"]
    names = get_cluster_names(score_model)
    features, currency = metadata["features"], get_amount_currency()
    return {
        "empty": False,
        "verdict": describe_clusters(score_model),
        "silhouette": number_format(round(metadata["silhouette"], 2)),
        "stability": number_format(round(metadata["stability"], 2)),
        "stable": metadata["stable"],
        "heads": [str(CLUSTER_FEATURE_LABELS[feature]) for feature in features],
        "rows": [
            {
                "number": cluster["id"],
                "name": capfirst(names[cluster["id"]]),
                "customers": cluster["customers"],
                "share": format_percent(cluster["share"]),
                "medians": [format_median(feature, cluster["medians"].get(feature), currency) for feature in features],
                "description": describe_cluster(cluster),
                "url": make_drilldown_url("cluster", cluster=cluster["id"]),
                "new": cluster["shift"] is None,
            }
            for cluster in metadata["clusters"]
        ],
        "chart": build_radar_chart(
            labels=[str(CLUSTER_FEATURE_LABELS[feature]) for feature in features],
            series=[
                Series(
                    f"{cluster['id']} · {names[cluster['id']]}",
                    [round(cluster["radar"].get(feature, 0.0)) for feature in features],
                    links=[make_drilldown_url("cluster", cluster=cluster["id"])] * len(features),
                )
                for cluster in metadata["clusters"]
            ],
        ),
    }


def format_median(feature: str, value: float | None, currency: str) -> str:
    if value is None:
        return "–"
    if feature in SHARE_FEATURES:
        return format_percent(value)
    if feature == "order_value":
        return format_money(value, currency)
    return number_format(round(value, 1 if abs(value) < 100 else 0), force_grouping=True)


def describe_cluster(cluster: dict[str, Any]) -> str:
    """Return the most distinctive features as a sentence."""
    parts = [
        get_trait_phrase(deviation["direction"], deviation["feature"])
        for deviation in cluster["deviations"][:MAX_TRAITS]
    ]
    return _("Main features: %(parts)s.") % {"parts": join_list(parts)}
