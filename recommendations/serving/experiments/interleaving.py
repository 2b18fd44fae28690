"""Merge the lists of two variants into one by team draft, and remember which of them contributed each product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from customers.events.recent.interactions import RecentActivity
from recommendations.experiments.assignment import RunningExperiment
from recommendations.measurement.statistics.interleaving import NEITHER, interleave_rankings
from recommendations.merchandising.rules.rule_book import RuleBook
from recommendations.serving.pipeline.candidates import LATE
from recommendations.serving.pipeline.context import Candidates, RecommendationContext, build_context
from recommendations.serving.pipeline.explain import explain
from recommendations.serving.pipeline.explore import ExploredList, explore
from recommendations.serving.pipeline.ordering import make_seed
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.pipeline.rerank import rank_candidates

VARIANT = 1  # the variant's team; the control's is 0


@dataclass(frozen=True, eq=False)
class VariantRanking:
    """The list of one variant, with what its reasons are computed from."""

    context: RecommendationContext
    candidates: Candidates
    explored: ExploredList


@dataclass(frozen=True, eq=False)
class InterleavedRanking:
    """The merged list of two variants: (row, score) pairs, and the team of each row."""

    control: VariantRanking
    variant: VariantRanking
    ranked: Sequence[tuple[int, float]]
    team_by_row: Mapping[int, int]

    def list_teams(self, rows: Sequence[int], *, pinned: frozenset[int]) -> tuple[int, ...]:
        """Return the team of each shown row; a pinned product belongs to neither."""
        return tuple(NEITHER if row in pinned else self.team_by_row.get(row, NEITHER) for row in rows)

    def explain(self, rows: Sequence[int], *, pinned: frozenset[int]) -> dict[int, ItemReason]:
        """Return the reason of each row by the ranking that contributed it."""
        of_variant = [row for row in rows if self.team_by_row.get(row) == VARIANT and row not in pinned]
        others = [row for row in rows if self.team_by_row.get(row) != VARIANT or row in pinned]
        return _explain(self.control, others, pinned) | _explain(self.variant, of_variant, frozenset())


def _explain(ranking: VariantRanking, rows: Sequence[int], pinned: frozenset[int]) -> dict[int, ItemReason]:
    new = ranking.explored.new.intersection(rows)
    return explain(ranking.context, ranking.candidates, rows, new=new, pinned=pinned)


def interleave_variants(
    experiment: RunningExperiment | None,
    control: VariantRanking,
    *,
    activity: RecentActivity | None,
    rules: RuleBook | None = None,
) -> InterleavedRanking | None:
    """Return the merged list of the control and the variant of an experiment.

    None without an experiment, or if a ranking would be late: then the control serves alone, and the response counts for neither ranking.
    The coins depend on the visitor, the request and its minute, so that all pages of a list are cut from the same one.
    """
    context = control.context
    if experiment is None or is_late(control.candidates):
        return None
    second = rank_variant(experiment, context, activity=activity, rules=rules)
    if is_late(second.candidates):
        return None
    groups = context.groups
    keys: Any = range(context.state.products.n) if groups is None else groups.codes
    lists = [key_by_group(ranking.explored.ranked, keys) for ranking in (control, second)]
    pins = context.rule_effects.pins if context.rule_effects is not None else ()
    n = context.depth if pins else context.offset + context.request.n + 1
    request = context.request
    seed = make_seed(experiment.salt, *context.visitor.names, request.scenario, *request.product_ids, context.minute)
    merged = interleave_rankings(list(lists[0]), list(lists[1]), n, seed=seed)
    ranked = [
        lists[max(team, 0)].get(key) or lists[1][key] for key, team in zip(merged.products, merged.teams, strict=True)
    ]
    teams = dict(zip((row for row, _score in ranked), merged.teams, strict=True))
    return InterleavedRanking(control, second, ranked, teams)


def key_by_group(ranked: Sequence[tuple[int, float]], keys: Any) -> dict[int, tuple[int, float]]:
    """Return the first product of each group, in their order; a list shows one product of a group."""
    first: dict[int, tuple[int, float]] = {}
    for pair in ranked:
        first.setdefault(int(keys[pair[0]]), pair)
    return first


def rank_variant(
    experiment: RunningExperiment,
    context: RecommendationContext,
    *,
    activity: RecentActivity | None,
    rules: RuleBook | None,
) -> VariantRanking:
    """Return the list of the variant for the same request, within the same deadline."""
    variant = next(variant for variant in experiment.variants if not variant.is_control)
    second = build_context(
        request=context.request,
        state=context.state.variants.by_variant.get(variant.id, context.state),
        workspaces=context.workspaces,
        now=context.now,
        activity=activity,
        rules=rules,
        has_deadline=False,
    )
    second.deadline = context.deadline
    candidates = rank_candidates(second)
    return VariantRanking(second, candidates, explore(second, candidates))


def is_late(candidates: Candidates) -> bool:
    """Return whether the deadline passed before the products were found."""
    return LATE in (candidates.problem, candidates.fallback_reason)
