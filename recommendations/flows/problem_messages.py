"""The texts of the problems of a definition: what is wrong, the value, and the fix."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.flows.machine.definition_parsing import DefinitionProblem

PARTS: Mapping[str, str | Promise] = {
    "definition": gettext_lazy("Definition"),
    "trigger": gettext_lazy("Trigger"),
    "filter": gettext_lazy("Filter"),
    "reentry": gettext_lazy("Re-entry"),
    "goal": gettext_lazy("Goal"),
    "exits": gettext_lazy("Exits"),
    "steps": gettext_lazy("Steps"),
}
MESSAGES: Mapping[str, str | Promise] = {
    "not_an_object": gettext_lazy("This must be an object."),
    "not_a_list": gettext_lazy("This must be a list."),
    "not_a_step": gettext_lazy("Each step must be an object with key and kind."),
    "unknown_field": gettext_lazy("Unknown field; valid: %(valid)s."),
    "wrong_schema": gettext_lazy("The schema %(value)s is not known; use 1."),
    "missing": gettext_lazy("This is missing; choose one of: %(valid)s."),
    "unknown_kind": gettext_lazy("Unknown kind %(value)s; valid: %(valid)s."),
    "unknown_choice": gettext_lazy("%(value)s is not valid; choose one of: %(valid)s."),
    "required": gettext_lazy("Fill in this field."),
    "no_steps": gettext_lazy("The flow has no steps; add at least one."),
    "too_many": gettext_lazy("Too many entries; the maximum is %(limit)s."),
    "too_deep": gettext_lazy("Branches are nested too deeply; at most %(limit)s levels are possible."),
    "bad_key": gettext_lazy(
        "%(value)s is not a key; use up to 40 lower-case letters, digits, hyphens and underscores, and start with a letter or digit."
    ),
    "doubled_key": gettext_lazy("Another step has the key %(value)s; give each step its own."),
    "bad_text": gettext_lazy("Enter a text of at most %(limit)s characters."),
    "out_of_range": gettext_lazy("%(value)s is not valid; enter a number from %(low)s to %(high)s."),
    "not_a_flag": gettext_lazy("%(value)s is not valid; use true or false."),
    "not_a_value": gettext_lazy("%(value)s is not valid; enter a text, a number, true or false."),
    "bad_hour": gettext_lazy("%(value)s is not a time; enter HH:MM such as 09:00, or “best”."),
    "bad_duration": gettext_lazy("%(value)s is not a duration; enter whole days, hours and minutes."),
    "bad_length": gettext_lazy("Enter a duration from one minute to %(limit)s days."),
    "bad_weights": gettext_lazy("Enter two to ten variants with their shares; at least one must be above 0."),
    "not_a_condition": gettext_lazy("Enter a condition in the same format as in segments."),
    "everyone": gettext_lazy("Add a condition; without one, all customers would leave immediately."),
    "bad_filters": gettext_lazy("Enter a list of at most %(limit)s filters."),
    "filter_without_property": gettext_lazy("Each filter needs the name of a property."),
    "filter_without_value": gettext_lazy("The filter on %(value)s needs a value."),
    "filter_without_number": gettext_lazy("The filter on %(value)s compares numbers; enter a number."),
    "unknown_segment": gettext_lazy("There is no segment with the key %(value)s; choose another one."),
    "not_static": gettext_lazy(
        "The segment %(value)s is dynamic, so customers cannot be added to it or removed from it; choose a static segment."
    ),
    "unknown_template": gettext_lazy("No template has the key %(value)s; choose another one."),
    "archived_template": gettext_lazy("The template %(value)s is archived; unarchive it or choose another one."),
    "unpublished_template": gettext_lazy("The template %(value)s is not published; publish it first."),
    "transactional_template": gettext_lazy(
        "The template %(value)s is transactional and may lack an unsubscribe link; choose a marketing template, or make the step transactional."
    ),
    "wrong_channel": gettext_lazy("The template %(value)s is for another channel; choose one for %(valid)s."),
    "condition": gettext_lazy("%(value)s"),
    "reserved_trait": gettext_lazy("Flows cannot set %(value)s, because it is personal data; choose another trait."),
}


def describe_problem(problem: DefinitionProblem) -> str:
    """Return the problem as a sentence that starts with its place."""
    place = str(PARTS[problem.part]) if problem.part in PARTS else _("Step %(key)s") % {"key": problem.part}
    if problem.field:
        place = f"{place}, {problem.field}"
    return _("%(place)s: %(message)s") % {"place": place, "message": describe_fix(problem)}


def describe_fix(problem: DefinitionProblem) -> str:
    """Return what is wrong and how to fix it, without the place."""
    return str(MESSAGES[problem.code]) % problem.values
