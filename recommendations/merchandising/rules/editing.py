"""Save, enable and disable rules."""

from collections.abc import Callable, Iterable

from recommendations.merchandising.models import Rule
from recommendations.merchandising.segment_members.member_writer import request_members_file


def save_rule(*, rule: Rule, write_members: Callable[[], object], fields: Iterable[str] | None = None) -> None:
    """Save a rule, or only these fields of it, so that what others change at the same time stays.

    Workers apply it within two seconds, a segment's members as soon as their file is written.
    """
    rule.save(update_fields=None if fields is None else [*fields, "updated_at"])
    if rule.segment_id is not None and rule.enabled:
        request_members_file(start=write_members)


def switch_rules(*, rules: list[Rule], enabled: bool, write_members: Callable[[], object]) -> int:
    """Enable or disable rules and return how many changed.

    Each is saved on its own for the audit log.
    """
    changed = [rule for rule in rules if rule.enabled != enabled]
    for rule in changed:
        rule.enabled = enabled
        save_rule(rule=rule, write_members=write_members, fields=["enabled"])
    return len(changed)
