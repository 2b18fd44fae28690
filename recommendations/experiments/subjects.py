"""What an experiment can vary. Other apps register their subjects here, so that this app does not depend on them.

Each kind defines what can be chosen, which settings a variant may change, how a winning variant is made permanent, and how to undo that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.utils.functional import Promise

from config.foundation.number_formats import join_label
from recommendations.experiments.log_estimates import LogEstimate
from recommendations.experiments.models import Experiment, Variant
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.moments import GroupMoments

type Config = Mapping[str, Any]
# (subject, submitted values or None, config, prefix of the field names) → form
type FormBuilder = Callable[[str, Mapping[str, Any] | None, Config, str], forms.BaseForm]


@dataclass(frozen=True)
class PreferenceCounts:
    """What people clicked in interleaved lists, see `results.VariantPreference`.

    Of each person, the first COUNTED_CLICKS clicks on products of a variant count.
    squares: the sum over people of d², with d = clicks on products of the variant − clicks on those of the control.
    """

    people: int
    clicked: int
    credited: int
    squares: float
    control: int
    variant: int
    clicks: tuple[int, int]
    orders: tuple[int, int]


@dataclass(frozen=True)
class PreferenceSource:
    """The clicks of interleaved lists.

    Attributes:
        is_ranking: whether a subject of the kind is one list of products.
        count: the preferences of an experiment until a moment.
        count_clickers: the customers or visitors who clicked a product of a subject in a period.
    """

    is_ranking: Callable[[str], bool]
    count: Callable[[Experiment, datetime], PreferenceCounts]
    count_clickers: Callable[[str, str, datetime, datetime], int]


@dataclass(frozen=True)
class ExperimentSubject:
    """One kind of subject.

    Attributes:
        list_choices: the subjects of this kind with their names; a kind without a choice has the subject "".
        build_form: the settings of a variant. read_config: from a valid form, the settings that differ from the present ones.
        promote: applies a config and returns what it has replaced, which restore takes; both None if nothing can be promoted.
        describe_unpromoted: which settings of a config a promotion leaves as they are, in a sentence; empty if it applies all of them.
        find_traffic: the customers or visitors whom the experiment would have reached in a period, each since the first time.
        list_scenarios: the values of `Impression.scenario` that belong to a subject.
        count_clicks: the clicks per person, of a list its clicked products, by the number of the variant.
        estimate: what a subject would earn with the settings of a variant, as of a moment, from the log; None if it can't be estimated.
        permission: to change what a promotion changes; "" if everyone who may change experiments may do so.
        scope: of an API key, which stands for that permission.
        needs_permission_to_start: whether setting up and starting an experiment needs it, too, because its variants have content of their own.
        find_problem: why an experiment with these variants cannot start, beyond what every experiment needs; empty if it can.
        find_name: of one subject, for lists of experiments; without it, the names come from list_choices.
        preferences: the clicks on interleaved lists; None for a kind that ranks nothing.
        variant_names, shares, first_config: of a new experiment, whose first variant is the control, which has no config.
    """

    kind: str
    label: str | Promise
    help_text: str | Promise
    list_choices: Callable[[], Sequence[tuple[str, str | Promise]]]
    build_form: FormBuilder
    read_config: Callable[[str, forms.BaseForm], dict[str, Any]]
    describe_config: Callable[[Config], list[tuple[str, str]]]
    promote: Callable[[str, Config], dict[str, Any]] | None
    restore: Callable[[str, Config], None] | None
    find_traffic: Callable[[str, str, datetime, datetime], Members]
    list_scenarios: Callable[[str], Sequence[str]]
    describe_unpromoted: Callable[[Config], str | Promise] | None = None
    count_clicks: Callable[[Experiment, datetime], Mapping[str, GroupMoments]] | None = None
    estimate: Callable[[str, Config, datetime], LogEstimate] | None = None
    permission: str = ""
    scope: str = ""
    needs_permission_to_start: bool = False
    find_problem: Callable[[Experiment, Sequence[Variant]], str | Promise] | None = None
    find_name: Callable[[str], str | Promise | None] | None = None
    variant_names: tuple[str | Promise, ...] = ()
    shares: tuple[str, ...] = ()
    first_config: Config = field(default_factory=dict)
    preferences: PreferenceSource | None = None


_subjects: dict[str, ExperimentSubject] = {}


def register_subject(subject: ExperimentSubject) -> None:
    """Offer a kind of subject; a second registration replaces the first."""
    _subjects[subject.kind] = subject


def find_subject(kind: str) -> ExperimentSubject | None:
    """Return a registered kind; None for an experiment whose kind no app offers."""
    return _subjects.get(kind)


def list_subjects() -> list[ExperimentSubject]:
    """Return the registered kinds in the order of their registration."""
    return list(_subjects.values())


def describe_subject(kind: str, subject: str) -> str:
    """Return the name of what an experiment varies, such as "Placement: For you"."""
    found = find_subject(kind)
    if found is None:
        return f"{kind}: {subject}" if subject else kind
    name = found.find_name(subject) if found.find_name is not None else dict(found.list_choices()).get(subject)
    return join_label(found.label, name) if name and subject else str(found.label)
