"""The weighted ensemble of every placement, compiled to score one history at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from config.foundation.array_types import Rows
from recommendations.engine import Histories
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.visits import DEFAULT_DECAY, find_visit_factor
from recommendations.engine.online.content_scorer import find_content_width
from recommendations.engine.online.context import Workspace
from recommendations.engine.online.ensemble_scorer import OnlineEnsemble, ScoredHistory, find_max_width
from recommendations.engine.placements import FOR_YOU, PLACEMENTS, VISIT_WEIGHTS, PlacementInput
from recommendations.serving.state.model import NO_ROWS, ServingModel
from recommendations.serving.state.reason_support import ReasonSupport
from recommendations.serving.state.settings import PlacementConfigs, Switch


@dataclass(frozen=True, eq=False)
class CompiledBlends:
    """The ensembles of one model.

    by_placement: only the placements for which the model has components. visit: for visits that the trained weights
    give no personal score. switched_off: placements that the shop, or the evaluation of the training, switched off.
    width: slots that their workspaces need. current_visit, visit_decay, visit_positions: what the training has learned about the
    current visit, see `VisitWeights`. content: the component that compares products by their content.
    """

    by_placement: Mapping[str, OnlineEnsemble]
    visit: OnlineEnsemble | None
    switched_off: frozenset[str]
    width: int = 0
    current_visit: OnlineEnsemble | None = None
    visit_decay: float = DEFAULT_DECAY
    visit_positions: int = 0
    content: Content | None = None

    @classmethod
    def compile(cls, *, model: ServingModel, placements: PlacementConfigs, n: int) -> "CompiledBlends":
        """Compile the ensembles for n rows of the product index."""
        by_placement = {}
        for name in PLACEMENTS:
            blend = _compile_placement(name, model=model, placements=placements, n=n)
            if blend is not None:
                by_placement[name] = blend
        visit = OnlineEnsemble(model.visit_blend, n) if model.visit_blend is not None else None
        switched_off = frozenset(name for name in PLACEMENTS if _is_off(name, model=model, placements=placements))
        learned = model.scenarios.get(FOR_YOU, {}).get("visit") or {}
        parts = select_components(model.blend, learned.get("weights") or VISIT_WEIGHTS)
        content = next((part for part in model.blend.components_.values() if isinstance(part, Content)), None)
        current_visit = OnlineEnsemble(parts, n, for_similar=True) if parts is not None else None
        return cls(
            by_placement,
            visit,
            switched_off,
            max(
                find_max_width(_list_blends(by_placement, visit, current_visit)),
                find_content_width(content) if content is not None else 0,
            ),
            current_visit,
            learned.get("decay", DEFAULT_DECAY),
            learned.get("positions", 0),
            content,
        )

    def vary(
        self, name: str, *, model: ServingModel, placements: PlacementConfigs, n: int, has_weights: bool
    ) -> "CompiledBlends":
        """Return these ensembles with other settings of one placement; the others are shared. has_weights: its weights differ too."""
        by_placement = dict(self.by_placement)
        blend = _compile_placement(name, model=model, placements=placements, n=n) if has_weights else None
        if blend is not None:
            by_placement[name] = blend
        off = {name} if _is_off(name, model=model, placements=placements) else set()
        width = max(self.width, find_max_width(list(by_placement.values())))
        return replace(self, by_placement=by_placement, switched_off=(self.switched_off - {name}) | off, width=width)

    def warm_up(self, model: ServingModel) -> None:
        """Score and explain once with each ensemble.

        Code is compiled and memory is mapped before the first visitor arrives.
        """
        users = [0] if len(model.history_indptr) > 1 else []
        history = model.build_history(users=users, recent=[])
        histories = (history, model.build_product_history(history.item[:1]))
        for component in model.blend.components_.values():
            if component.support_ is not None:
                component.support_.find(NO_ROWS, NO_ROWS).grade(1)
        no_scores = np.empty(0, np.float32)
        find_visit_factor(no_scores, no_scores, no_scores, no_scores, 0)
        support = ReasonSupport(model, 1)
        for blend in _list_blends(self.by_placement, self.visit, self.current_visit):
            workspace = Workspace(blend.n, blend.width)
            for start in histories:
                _explain_once(blend, start, workspace, support)


def _compile_placement(
    name: str, *, model: ServingModel, placements: PlacementConfigs, n: int
) -> OnlineEnsemble | None:
    blend = select_placement_blend(name, model=model, placements=placements)
    is_for_similar = PLACEMENTS[name].start == PlacementInput.PRODUCTS
    return OnlineEnsemble(blend, n, for_similar=is_for_similar) if blend is not None else None


def select_placement_blend(name: str, *, model: ServingModel, placements: PlacementConfigs) -> WeightedEnsemble | None:
    """Return the ensemble of a placement; None if the model has none of its components.

    Weights of the settings take precedence over trained weights, and these over the defaults.
    """
    # the trained weights of for-you are those of the model itself
    trained = {} if name == FOR_YOU else model.scenarios.get(name, {}).get("weights")
    blend = select_components(model.blend, placements[name].weights or trained or PLACEMENTS[name].weights)
    return model.blend if blend is None and name == FOR_YOU else blend


def select_components(blend: WeightedEnsemble, weights: Mapping[str, float]) -> WeightedEnsemble | None:
    """Return the ensemble of those named components that the model has; None if it has none."""
    components = {
        name: blend.components_[name] for name, weight in weights.items() if weight > 0 and name in blend.components_
    }
    if not components:
        return None
    return WeightedEnsemble.of_fitted(
        components, {name: float(weights[name]) for name in components}, blend.normalization
    )


def _list_blends(by_placement: Mapping[str, OnlineEnsemble], *visits: OnlineEnsemble | None) -> list[OnlineEnsemble]:
    return [*by_placement.values(), *(visit for visit in visits if visit is not None)]


def select_once(ensemble: OnlineEnsemble, history: Histories, workspace: Workspace) -> tuple[ScoredHistory, Rows]:
    """Select three products for one history in each way that placements use; return the scores and the rows."""
    scored = ensemble.score(history, workspace)
    allowed = np.ones(ensemble.n, np.bool_)
    rows, _scores = scored.select_top(3, allowed=allowed, excluded=NO_ROWS)
    scored.select_among(rows, 3, allowed=allowed, excluded=NO_ROWS)
    scored.select_limited(3, allowed=allowed, excluded=NO_ROWS, factors=None, purchased=rows, share=0.5, codes=None)
    return scored, rows


def _explain_once(blend: OnlineEnsemble, history: Histories, workspace: Workspace, support: ReasonSupport) -> None:
    scored, rows = select_once(blend, history, workspace)
    support.find_row_causes(scored, rows, is_related=False)
    workspace.clear()


def _is_off(name: str, *, model: ServingModel, placements: PlacementConfigs) -> bool:
    switch = placements[name].switch
    if switch == Switch.AUTO:
        return not model.scenarios.get(name, {}).get("on", True)
    return switch == Switch.OFF
