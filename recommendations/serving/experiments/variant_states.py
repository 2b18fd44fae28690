"""The serving states of the variants of running experiments, compiled when the state is loaded: no request loads anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recommendations.engine.placements import PLACEMENTS
from recommendations.experiments.assignment import NO_EXPERIMENTS, RunningExperiments, RunningVariant
from recommendations.merchandising.rules.rule_book import RuleBook
from recommendations.serving.experiments.names import HELD_OUT_PLACEMENTS, HOLDOUT, PLACEMENT, RULES
from recommendations.serving.state.compiled_blends import CompiledBlends
from recommendations.serving.state.compiled_rules import CompiledRules, compile_business_factors
from recommendations.serving.state.settings import PlacementConfig, PlacementConfigs, Switch

if TYPE_CHECKING:
    from recommendations.serving.state.loader import ServingState

CONFIG_FIELDS = frozenset(PlacementConfig.__dataclass_fields__) - {"name"}


@dataclass(frozen=True, eq=False)
class VariantStates:
    """What variants change in the serving state. built_from: the parts of the state and the experiments that they were compiled from."""

    by_variant: Mapping[int, "ServingState"] = field(default_factory=dict)
    running: RunningExperiments = NO_EXPERIMENTS
    built_from: tuple[Any, ...] = ()


NO_VARIANTS = VariantStates()


def compile_variants(state: "ServingState", running: RunningExperiments) -> "ServingState":
    """Return the state with the states of all variants that change it; the same state if nothing has changed."""
    before = state.variants
    if not running:
        return state if not before.running else replace(state, variants=NO_VARIANTS)
    built_from = (state.model, state.products, state.blends, state.placements, state.suppressions, state.rules, state.groups, running)  # fmt: skip
    if len(before.built_from) == len(built_from) and all(map(_is, built_from, before.built_from)):
        return state
    base = replace(state, variants=NO_VARIANTS)
    by_variant = {}
    for (kind, subject), experiment in running.by_subject.items():
        for variant in experiment.variants:
            varied = vary_state(base, kind=kind, subject=subject, variant=variant)
            if varied is not None:
                by_variant[variant.id] = varied
    widths = [varied.blends.width for varied in by_variant.values() if varied.blends is not None]
    blends = state.blends
    if blends is not None and widths:
        # workspaces of one size serve all states; requesting another size would discard the existing ones
        width = max(blends.width, *widths)
        by_variant = {
            number: replace(varied, blends=replace(varied.blends, width=width))
            for number, varied in by_variant.items()
            if varied.blends is not None
        }
        if width > blends.width:
            blends = replace(blends, width=width)
            built_from = (*built_from[:2], blends, *built_from[3:])
    return replace(state, blends=blends, variants=VariantStates(by_variant, running, built_from))


def _is(one: object, other: object) -> bool:
    return one is other


def vary_state(state: "ServingState", *, kind: str, subject: str, variant: RunningVariant) -> "ServingState | None":
    """Return the state of a variant; None if it serves the present one."""
    if kind == HOLDOUT and variant.is_control:
        changes: dict[str, Mapping[str, Any]] = {name: {"switch": Switch.OFF} for name in HELD_OUT_PLACEMENTS}
    elif kind == PLACEMENT and variant.config:
        changes = {subject: variant.config}
    else:
        return None
    placements = vary_placements(state.placements, changes)
    rules = vary_rules(state.rules, changes, placements, state)
    blends = vary_blends(state, changes, placements)
    varied = replace(state, placements=placements, rules=rules, blends=blends, cache={})
    varied.__dict__["reason_support"] = state.reason_support  # both use the same model, so it is computed only once
    return varied


def vary_placements(placements: PlacementConfigs, changes: Mapping[str, Mapping[str, Any]]) -> PlacementConfigs:
    """Return the settings with those of the variant; settings that only older versions had are ignored."""
    by_name = dict(placements.by_name)
    for name, config in changes.items():
        known = {key: value for key, value in config.items() if key in CONFIG_FIELDS}
        by_name[name] = replace(by_name[name], **known)
    return PlacementConfigs(by_name, placements.fingerprint)


def vary_rules(
    rules: CompiledRules, changes: Mapping[str, Mapping[str, Any]], placements: PlacementConfigs, state: "ServingState"
) -> CompiledRules:
    """Return the rules with the variant's weights of margin and stock, and without merchandising rules if it turns them off."""
    factors = dict(rules.business_factors)
    for name in changes:
        factors.pop(name, None)
        varied = compile_business_factors(state.products, placements[name])
        if varied is not None:
            factors[name] = varied
    has_rules = all(config.get(RULES, True) for config in changes.values())
    book = rules.book if has_rules else RuleBook()
    return CompiledRules(book, factors, rules.members, rules.fingerprint)


def vary_blends(
    state: "ServingState", changes: Mapping[str, Mapping[str, Any]], placements: PlacementConfigs
) -> CompiledBlends | None:
    """Return the ensembles, of which only those whose weights or status the variant changes are compiled again."""
    if state.blends is None or state.model is None:
        return state.blends
    blends = state.blends
    for name, config in changes.items():
        blends = blends.vary(
            name, model=state.model, placements=placements, n=state.products.n, has_weights="weights" in config
        )
    return blends


assert set(HELD_OUT_PLACEMENTS) <= set(PLACEMENTS)
