"""The part of the Lifecycle page about what customers will do: who by how much, and how far it can be believed."""

from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from customers.lifecycle.alerts import is_off
from customers.lifecycle.backoffice.drilldowns import people_link
from customers.lifecycle.backoffice.labels.clv_labels import percent
from customers.lifecycle.backoffice.labels.propensity_labels import (
    CANDIDATE_NAMES,
    DRIFT_NAMES,
    condition_words,
    fallback_words,
    feature_name,
)
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import KINDS
from customers.lifecycle.refresh.score_models import latest_cards
from customers.lifecycle.scoring.propensity.metrics import CalibrationCurve, gap_by_chance, largest_gap

BARS = 10
SEED = 1
MOST_FEATURES = 5

# of the profiles as they stand; a bar holds its lower end, the last one both
COUNTS = """
    SELECT told.kind, least(floor(told.chance * %(bars)s), %(bars)s - 1)::int AS bar, count(*)
    FROM lifecycle_customerprofile p
    CROSS JOIN LATERAL (VALUES ('churn', p.churn), ('purchase_7', p.purchase_7), ('purchase_30', p.purchase_30),
                               ('purchase_90', p.purchase_90)) AS told (kind, chance)
    WHERE told.chance IS NOT NULL
    GROUP BY 1, 2
"""


def propensity_section() -> dict[str, Any]:
    """Each target with its charts and tables; empty where no refresh has told any."""
    cards = latest_cards()
    counts = count_now()
    return {
        "targets": [shown_target(cards[kind], counts.get(kind, [0] * BARS)) for kind in KINDS if kind in cards],
        "category": shown_category(cards.get(ScoreModel.Kind.NEXT_CATEGORY)),
    }


def count_now() -> dict[str, list[int]]:
    """How many customers stand in each tenth of the probabilities, by target."""
    counts: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"bars": BARS})
        for kind, bar, customers in cursor.fetchall():
            counts.setdefault(kind, [0] * BARS)[bar] = customers
    return counts


def shown_target(card: ScoreModel, counts: list[int]) -> dict[str, Any]:
    figures = card.figures
    quality = figures.get("quality")
    return {
        "key": card.kind,
        "name": card.get_kind_display(),
        "horizon": figures["horizon_days"],
        "fallback": fallback_words(card),
        "learnt_at": datetime.fromisoformat(figures["learnt_at"]),
        "customers": figures["customers"],
        "rate": percent(figures["rate"]),
        "by_time": figures.get("judged_by") == "time",
        "judged_rows": figures.get("judged_rows"),
        "simple": figures.get("why") == "simple_not_beaten",
        "now": now_chart(card.kind, counts) if any(counts) else None,
        "now_rows": now_rows(card.kind, counts),
        "candidates": shown_candidates(figures),
        "quality": shown_quality(quality) if quality else None,
        "calibration": calibration_chart(card.kind, quality) if quality else None,
        "lift": lift_chart(card.kind, quality) if quality and quality["lift"] else None,
        "rules": [
            {
                "words": _(" and ").join(condition_words(one) for one in rule["conditions"]),
                "share": percent(rule["share"]),
                "probability": percent(rule["probability"]),
            }
            for rule in figures.get("rules", [])
        ],
        "looking_back": [shown_looking_back(told) for told in figures.get("looking_back", [])],
        "drift": shown_drift(figures.get("drift")),
    }


def now_chart(kind: str, counts: list[int]) -> dict[str, Any]:
    """Customers by probability, each bar with its people."""
    rows = now_rows(kind, counts)
    return {
        "id": f"{kind}-now",
        "kind": "columns",
        "labels": [row["label"] for row in rows],
        "values": counts,
        "texts": [row["text"] for row in rows],
        "links": [row["url"] for row in rows],
        "across": _("Probability"),
        "up": _("Customers"),
    }


def now_rows(kind: str, counts: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "label": f"{100 * bar // BARS}–{100 * (bar + 1) // BARS} %",
            "customers": customers,
            "text": number_format(customers, force_grouping=True),
            "url": bar_link(kind, bar),
        }
        for bar, customers in enumerate(counts)
    ]


def bar_link(kind: str, bar: int) -> str:
    upper = "high" if bar == BARS - 1 else "below"
    return people_link("chance", kind=kind, low=bar / BARS, **{upper: (bar + 1) / BARS})


def shown_candidates(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """What competed, on what was held out; the gain in Brier is over the better simple one."""
    return [
        {
            "name": CANDIDATE_NAMES[one["name"]],
            "serves": one["name"] == figures["winner"],
            "brier": decimals(one["brier"], 4),
            "auc": decimals(one["auc"], 3),
            "gain": interval_words(one["brier_gain"]) if one["brier_gain"] else "–",
        }
        for one in figures.get("candidates", [])
    ]


def interval_words(gain: list[float]) -> str:
    value, low, high = (decimals(one, 4) for one in gain)
    return f"{value} ({low} – {high})"


def shown_quality(quality: dict[str, Any]) -> dict[str, Any]:
    """Figures on what was held out, and how large the largest gap between said and happened would be by chance alone."""
    curve = curve_of(quality)
    _middle, by_chance = gap_by_chance(curve, seed=SEED)
    return {
        "auc": decimals(quality["auc"], 3),
        "brier": decimals(quality["brier"], 4),
        "customers": number_format(quality["customers"], force_grouping=True),
        "gap": decimals(100 * largest_gap(curve), 1),
        "by_chance": decimals(100 * by_chance, 1),
        "rows": [
            {
                "said": percent(said),
                "happened": percent(happened),
                "interval": f"{percent(low)} – {percent(high)}",
                "customers": customers,
            }
            for said, happened, low, high, customers in zip(*quality["curve"].values(), strict=True)
        ],
    }


def curve_of(quality: dict[str, Any]) -> CalibrationCurve:
    told = quality["curve"]
    return CalibrationCurve(**{name: np.array(values) for name, values in told.items()})


def calibration_chart(kind: str, quality: dict[str, Any]) -> dict[str, Any]:
    """In percent: what was said against what came, with the interval of chance."""
    told = {name: [round(100 * value, 1) for value in values] for name, values in quality["curve"].items()}
    return {
        "id": f"{kind}-calibration",
        "kind": "calibration",
        **{name: told[name] for name in ("said", "happened", "low", "high")},
        "customers": quality["curve"]["customers"],
        "across": _("said, %"),
        "up": _("came, %"),
        "exact": _("exactly right"),
    }


def lift_chart(kind: str, quality: dict[str, Any]) -> dict[str, Any]:
    lift = [round(value, 2) for value in quality["lift"]]
    return {
        "id": f"{kind}-lift",
        "kind": "columns",
        "labels": [str(place) for place in range(1, len(lift) + 1)],
        "values": lift,
        "texts": [decimals(value, 2) for value in lift],
        "links": [],
        "across": _("Tenth of the customers, the highest probabilities first"),
        "up": _("Times as often as on average"),
        "ticks": ".1f",
    }


def shown_looking_back(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "as_of": datetime.fromisoformat(told["as_of"]),
        "days": told["days"],
        "customers": told["customers"],
        "model": CANDIDATE_NAMES.get(told["algorithm"], "–"),
        "said": percent(told["said"]),
        "happened": percent(told["rate"]),
        "interval": f"{percent(told['low'])} – {percent(told['high'])}",
        "auc": decimals(told["auc"], 3),
        "brier": decimals(told["brier"], 4),
        "wrong": is_off(told),
    }


def shown_drift(drift: dict[str, Any] | None) -> dict[str, Any] | None:
    """The scores, and what changed most of what they are told from."""
    if drift is None:
        return None
    return {
        "learnt_at": datetime.fromisoformat(drift["learnt_at"]),
        "score": decimals(drift["score"], 3),
        "level": DRIFT_NAMES[drift["score_level"]],
        "warns": drift["score_level"] == "large",
        "features": [
            {
                "name": feature_name(one["feature"]),
                "index": decimals(one["index"], 3),
                "level": DRIFT_NAMES[one["level"]],
            }
            for one in drift["features"][:MOST_FEATURES]
            if one["level"] != "none"
        ],
    }


def shown_category(card: ScoreModel | None) -> dict[str, Any] | None:
    """How often the next order was of the category held most likely; None without a card."""
    if card is None:
        return None
    names = {
        "history": _("own history"),
        "last": _("category of the last order"),
        "popularity": _("what sells most"),
    }
    return {
        "reason": card.get_reason_display() if card.reason else "",
        "rows": [
            {
                "name": names[name],
                "serves": name == "history",
                "hit_1": percent(told["hit_1"]),
                "hit_3": percent(told["hit_3"]),
                "customers": told["customers"],
            }
            for name, told in card.figures.get("judged", {}).items()
        ],
    }


def decimals(value: float | None, places: int) -> str:
    return "–" if value is None else number_format(round(value, places), decimal_pos=places, use_l10n=True)
