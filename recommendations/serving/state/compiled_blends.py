"""The blend of every place of the shop, made ready to answer one history at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommendations.engine import Histories
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.online.ensemble_scorer import SingleBlend, Workspace, widest
from recommendations.engine.placements import FOR_YOU, SCENARIOS, Start
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.settings import Places, Switch


@dataclass(frozen=True, eq=False)
class Prepared:
    """blends: by place, without those that the model has nothing for. visit: for visits that the chosen parts know nothing of.

    off: places that are switched off, or that a training has judged no better than their fallback. width: of their workspaces.
    """

    blends: Mapping[str, SingleBlend]
    visit: SingleBlend | None
    off: frozenset[str]
    width: int = 0

    @classmethod
    def of(cls, *, model: ServingModel, places: Places, n: int) -> "Prepared":
        blends = {FOR_YOU: SingleBlend(model.blend, n)}
        for name, scenario in SCENARIOS.items():
            trained = {} if name == FOR_YOU else model.scenarios.get(name, {}).get("weights")  # its own are the model's
            weights = places[name].weights or trained or scenario.weights
            blend = part_of(model.blend, weights)
            if blend is not None:
                blends[name] = SingleBlend(blend, n, alike=scenario.start == Start.PRODUCTS)
        visit = SingleBlend(model.visit_blend, n) if model.visit_blend is not None else None
        off = frozenset(name for name in SCENARIOS if is_off(name, model=model, places=places))
        return cls(blends, visit, off, widest([*blends.values(), *([visit] if visit is not None else [])]))

    def warm_up(self, model: ServingModel) -> None:
        """Scores and explains once with each, so that compiled code and memory pages are there before the first visitor is."""
        users = [0] if len(model.history_indptr) > 1 else []
        history = model.history(users=users, recent=[])
        for blend in (*self.blends.values(), *([self.visit] if self.visit is not None else [])):
            work = Workspace(blend.n, blend.width)
            for one in (history, model.history_of(history.item[:1])):
                explained_once(blend, one, work)


def explained_once(blend: SingleBlend, history: Histories, work: Workspace) -> None:
    scored = blend.score(history, work)
    rows, _scores = scored.best(3, allowed=np.ones(blend.n, np.bool_), barred=np.empty(0, np.int32))
    scored.causes(rows)
    work.clear()


def part_of(blend: Blend, weights: Mapping[str, float]) -> Blend | None:
    """A blend of those of the named parts that the model has; None where it has none."""
    parts = {
        name: blend.components_[name] for name, weight in weights.items() if weight > 0 and name in blend.components_
    }
    if not parts:
        return None
    return Blend.of_fitted(parts, {name: float(weights[name]) for name in parts}, blend.normalisation)


def is_off(name: str, *, model: ServingModel, places: Places) -> bool:
    switch = places[name].switch
    if switch == Switch.AUTO:
        return not model.scenarios.get(name, {}).get("on", True)
    return switch == Switch.OFF
