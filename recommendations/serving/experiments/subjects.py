"""What experiments can vary here: the settings of a placement, the order of search results, and whether anything is personalized."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.engine.placements import CATEGORIES, PLACEMENTS
from recommendations.experiments.editing import ExperimentNotReadyError
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.subjects import Config, ExperimentSubject, PreferenceSource, register_subject
from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS
from recommendations.serving.experiments.forms import (
    PlacementVariantForm,
    SearchOrderVariantForm,
    VariantForm,
    describe_values,
)
from recommendations.serving.experiments.log_estimates import estimate_placement
from recommendations.serving.experiments.names import (
    HELD_OUT_SCENARIOS,
    HOLDOUT,
    PERSONAL,
    PLACEMENT,
    POPULARITY,
    RULES,
    SEARCH,
    SEARCH_ORDER,
)
from recommendations.serving.experiments.preferences import count_clickers, count_preferences
from recommendations.serving.experiments.traffic import count_clicked_products, find_traffic
from recommendations.serving.models import PlacementSettings, SearchOrder
from recommendations.serving.search.order.weights import load_order_weights


def register_subjects() -> None:
    """Register everything that serving can vary."""
    for subject in (PLACEMENT_SUBJECT, SEARCH_ORDER_SUBJECT, HOLDOUT_SUBJECT):
        register_subject(subject)


def list_placements() -> Sequence[tuple[str, str | Promise]]:
    return list(RECOMMENDATION_PLACEMENT_LABELS.items())


def read_placement(placement: str) -> PlacementSettings:
    """Return the present settings of a placement."""
    row = PlacementSettings.objects.filter(placement=placement).first()
    return row if row is not None else PlacementSettings(placement=placement)


def build_placement_form(
    placement: str, data: Mapping[str, Any] | None, config: Config, prefix: str
) -> PlacementVariantForm:
    """Return the form of a variant, filled with the present settings and those that the variant changes."""
    row = read_placement(placement)
    names = [name for name in config if name in PlacementVariantForm.base_fields]
    initial = {RULES: True, **{name: config[name] for name in names}}
    return PlacementVariantForm(data, instance=row, initial=initial, prefix=prefix)


def read_placement_config(placement: str, form: forms.BaseForm) -> dict[str, Any]:
    """Return the settings of a valid form that differ from the present ones."""
    present = read_placement(placement)
    values = dict(form.cleaned_data)
    config = {} if values.pop(RULES, True) else {RULES: False}
    return {name: value for name, value in values.items() if value != getattr(present, name)} | config


def describe_placement_config(config: Config) -> list[tuple[str, str]]:
    return describe_values(PlacementVariantForm.base_fields, config)


def promote_placement(placement: str, config: Config) -> dict[str, Any]:
    """Write the settings of a variant into those of the placement; return what they were before.

    Merchandising rules are stored separately: promoting a variant without them does not turn any off.

    Raises:
        ExperimentNotReadyError: the variant changes nothing else.
    """
    changed = {name: value for name, value in config.items() if name != RULES}
    if config and not changed:
        raise ExperimentNotReadyError(
            _(
                "This variant only turns off merchandising rules for the experiment. Disable the rules under Merchandising "
                "instead."
            )
        )
    return write_placement(placement, changed)


def describe_unpromoted_rules(config: Config) -> str | Promise:
    """Return that a promotion leaves the rules as they are, if the variant turns them off."""
    return _("Merchandising rules are not changed.") if RULES in config else ""


def write_placement(placement: str, changed: Config) -> dict[str, Any]:
    """Write settings of a placement; return what they were before."""
    row = read_placement(placement)
    replaced = {name: getattr(row, name) for name in changed}
    for name, value in changed.items():
        setattr(row, name, value)
    row.save()
    return replaced


def find_placement_problem(experiment: Experiment, variants: Sequence[Variant]) -> str | Promise:
    """Return why variants of a placement cannot be compared; empty if they can."""
    if experiment.method == Experiment.Method.INTERLEAVING and any(RULES in variant.config for variant in variants):
        return _(
            "Interleaving cannot compare merchandising rules on and off, because pinned products belong to no variant. Leave the rules on, or "
            "create an experiment with fixed shares."
        )
    return ""


def restore_placement(placement: str, replaced: Config) -> None:
    write_placement(placement, replaced)


def build_search_form(
    subject: str, data: Mapping[str, Any] | None, config: Config, prefix: str
) -> SearchOrderVariantForm:
    present = load_order_weights()
    initial = {POPULARITY: present.popularity, PERSONAL: present.personal, **config}
    return SearchOrderVariantForm(data, initial=initial, prefix=prefix)


def read_search_config(subject: str, form: forms.BaseForm) -> dict[str, Any]:
    present = load_order_weights()
    before = {POPULARITY: present.popularity, PERSONAL: present.personal}
    return {name: value for name, value in form.cleaned_data.items() if value != before[name]}


def describe_search_config(config: Config) -> list[tuple[str, str]]:
    return describe_values(SearchOrderVariantForm.base_fields, config)


def promote_search_order(subject: str, config: Config) -> dict[str, Any]:
    """Serve the weights of a variant until the promotion is undone; learning continues in the background."""
    present, before = load_order_weights(), SearchOrder.objects.filter(is_promoted=True).first()
    SearchOrder.objects.filter(is_promoted=True).delete()
    SearchOrder.objects.create(
        learned_at=timezone.now(),
        popularity=config.get(POPULARITY, present.popularity),
        personal=config.get(PERSONAL, present.personal),
        is_served=True,
        is_promoted=True,
    )
    return {} if before is None else {POPULARITY: before.popularity, PERSONAL: before.personal}


def restore_search_order(subject: str, replaced: Config) -> None:
    if replaced:
        promote_search_order(subject, replaced)
    else:
        SearchOrder.objects.filter(is_promoted=True).delete()


def build_holdout_form(subject: str, data: Mapping[str, Any] | None, config: Config, prefix: str) -> VariantForm:
    return VariantForm(data, prefix=prefix)


def read_holdout_config(subject: str, form: forms.BaseForm) -> dict[str, Any]:
    return {"recommendations": True}


def describe_holdout_config(config: Config) -> list[tuple[str, str]]:
    return []


PLACEMENT_SUBJECT = ExperimentSubject(
    kind=PLACEMENT,
    label=_("Placement"),
    help_text=_(
        "Compare settings of one placement, such as other algorithm weights, another fallback or more diversity."
    ),
    list_choices=list_placements,
    build_form=build_placement_form,
    read_config=read_placement_config,
    describe_config=describe_placement_config,
    promote=promote_placement,
    describe_unpromoted=describe_unpromoted_rules,
    restore=restore_placement,
    permission="serving.change_placementsettings",
    scope="recommendations:write",
    find_traffic=lambda placement, unit, since, until: find_traffic([placement], unit, since, until),
    list_scenarios=lambda placement: [placement],
    count_clicks=count_clicked_products,
    estimate=lambda placement, config, at: estimate_placement(placement, config, at=at),
    find_problem=find_placement_problem,
    preferences=PreferenceSource(
        is_ranking=lambda placement: placement in PLACEMENTS and placement != CATEGORIES,
        count=count_preferences,
        count_clickers=lambda placement, unit, since, until: count_clickers([placement], unit, since, until),
    ),
)
SEARCH_ORDER_SUBJECT = ExperimentSubject(
    kind=SEARCH_ORDER,
    label=_("Order of search results"),
    help_text=_(
        "Compare how much popularity and personal taste count among products that match a search equally well."
    ),
    list_choices=lambda: [("", _("Order of search results"))],
    build_form=build_search_form,
    read_config=read_search_config,
    describe_config=describe_search_config,
    promote=promote_search_order,
    restore=restore_search_order,
    permission="serving.change_searchorder",
    scope="recommendations:write",
    find_traffic=lambda _subject, unit, since, until: find_traffic([SEARCH], unit, since, until),
    list_scenarios=lambda _subject: [SEARCH],
    count_clicks=count_clicked_products,
    preferences=PreferenceSource(
        is_ranking=lambda _subject: True,
        count=count_preferences,
        count_clickers=lambda _subject, unit, since, until: count_clickers([SEARCH], unit, since, until),
    ),
)
HOLDOUT_SUBJECT = ExperimentSubject(
    kind=HOLDOUT,
    label=_("Recommendations holdout"),
    help_text=_(
        "Show a small group popular products instead of recommendations, and unpersonalized search results, "
        "to measure the incremental lift of recommendations."
    ),
    list_choices=lambda: [("", _("Recommendations holdout"))],
    build_form=build_holdout_form,
    read_config=read_holdout_config,
    describe_config=describe_holdout_config,
    promote=None,
    restore=None,
    find_traffic=lambda _subject, unit, since, until: find_traffic(sorted(HELD_OUT_SCENARIOS), unit, since, until),
    list_scenarios=lambda _subject: sorted(HELD_OUT_SCENARIOS),
    count_clicks=count_clicked_products,
    variant_names=(_("Held out"), _("Recommendations")),
    shares=("0.05", "0.95"),
    first_config={"recommendations": True},
)
