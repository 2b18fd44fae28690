"""The part of the Lifecycle page about groups of customers who are alike."""

from typing import Any

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from customers.lifecycle.backoffice.drilldowns import people_link
from customers.lifecycle.backoffice.labels.cluster_labels import FEATURE_NAMES, cluster_names, part_name
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import latest_cards

SHARES = ("discount_share", "return_share")
TOLD = 3  # of what stands out


def cluster_section() -> dict[str, Any]:
    """A chart and a table of the clusters; reason says why there are none."""
    card = latest_cards().get(ScoreModel.Kind.CLUSTERS)
    if card is None or card.reason:
        return {"empty": True, "reason": card.get_reason_display() if card else ""}
    words = card.parameters["words"]
    names = cluster_names(card)
    features = words["features"]
    return {
        "empty": False,
        "silhouette": number_format(round(words["silhouette"], 2)),
        "stability": number_format(round(words["stability"], 2)),
        "stable": words["stable"],
        "heads": [str(FEATURE_NAMES[feature]) for feature in features],
        "rows": [
            {
                "number": cluster["id"],
                "name": capfirst(names[cluster["id"]]),
                "customers": cluster["customers"],
                "share": f"{number_format(round(100 * cluster['share'], 1))} %",
                "medians": [median(feature, cluster["medians"].get(feature)) for feature in features],
                "words": description(cluster),
                "url": people_link("cluster", cluster=cluster["id"]),
                "new": cluster["moved"] is None,
            }
            for cluster in words["clusters"]
        ],
        "chart": {
            "kind": "radar",
            "labels": [str(FEATURE_NAMES[feature]) for feature in features],
            "series": [
                {
                    "name": f"{cluster['id']} · {names[cluster['id']]}",
                    "values": [round(cluster["radar"].get(feature, 0.0)) for feature in features],
                }
                for cluster in words["clusters"]
            ],
        },
    }


def median(feature: str, value: float | None) -> str:
    if value is None:
        return "–"
    if feature in SHARES:
        return f"{number_format(round(100 * value, 1))} %"
    return number_format(round(value, 1 if abs(value) < 100 else 0), force_grouping=True)


def description(cluster: dict[str, Any]) -> str:
    """What stands out most, in a sentence."""
    parts = [part_name(one["direction"], one["feature"]) for one in cluster["standing_out"][:TOLD]]
    return _("Above all: %(parts)s.") % {"parts": ", ".join(parts)}
