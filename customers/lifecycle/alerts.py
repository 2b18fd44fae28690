"""What calls for someone to look: forecasts that did not come true, and customers who are no longer like those that were learnt from."""

from dataclasses import dataclass
from typing import Any, Literal

from customers.lifecycle.clv.backtest import is_wrong
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import KINDS
from customers.lifecycle.refresh.score_models import latest_cards

OFF_FROM = 0.10  # difference between said and came
BLIND_BELOW = 0.55  # AUC; half is guessing
FEWEST = 200  # customers that an AUC is judged by


@dataclass(frozen=True)
class Alarm:
    """code: what is wrong. card: of the scores it is about. told: its figures, as the card has them."""

    code: Literal["orders_wrong", "propensity_off", "propensity_blind", "drift"]
    card: ScoreModel
    told: dict[str, Any]


def alarms() -> list[Alarm]:
    """Of the newest refresh: the orders foretold, then each propensity; of each code the youngest only."""
    cards = latest_cards()
    found = []
    if buying := cards.get(ScoreModel.Kind.BUYING):
        found += [Alarm("orders_wrong", buying, told) for told in looking_back(buying) if is_wrong(told)][:1]
    for card in (cards[kind] for kind in KINDS if kind in cards):
        found += [Alarm("propensity_off", card, told) for told in looking_back(card) if is_off(told)][:1]
        found += [Alarm("propensity_blind", card, told) for told in looking_back(card) if is_blind(told)][:1]
        drift = card.figures.get("drift")
        if drift and drift["score_level"] == "large":
            found.append(Alarm("drift", card, drift))
    return found


def looking_back(card: ScoreModel) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = card.figures.get("looking_back", [])
    return told


def is_off(told: dict[str, Any]) -> bool:
    """Whether what was said on average is wrong beyond chance and by more than ten points."""
    said, rate = told["said"], told["rate"]
    return abs(said - rate) > OFF_FROM and not told["low"] <= said <= told["high"]


def is_blind(told: dict[str, Any]) -> bool:
    """Whether those held likely did it hardly more often than the others."""
    return told["auc"] is not None and told["customers"] >= FEWEST and told["auc"] < BLIND_BELOW
