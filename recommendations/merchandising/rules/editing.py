"""Saves rules, switches them off and on."""

from collections.abc import Callable

from recommendations.merchandising.models import Rule
from recommendations.merchandising.segment_members.member_writer import ask_for_members


def save_rule(*, rule: Rule, write_members: Callable[[], object]) -> None:
    """Every worker knows it within two seconds, and who is in its segment as soon as a worker has written that."""
    rule.save()
    if rule.segment_id is not None and rule.enabled:
        ask_for_members(start=write_members)


def switch_rules(*, rules: list[Rule], enabled: bool, write_members: Callable[[], object]) -> int:
    """How many were switched; each is saved by itself, so that the audit log knows it."""
    changed = [rule for rule in rules if rule.enabled != enabled]
    for rule in changed:
        rule.enabled = enabled
        save_rule(rule=rule, write_members=write_members)
    return len(changed)
