"""Edits the steps of a definition: adds, replaces, moves and deletes them. Every function returns a new definition."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from recommendations.flows.machine.graph import list_branches

type Step = dict[str, Any]


class UnknownStepError(LookupError):
    """The definition has no step with the key."""


def find_step(definition: Mapping[str, Any], key: str) -> Step:
    """Return the step with a key."""
    steps, index = find_place(definition["steps"], key)
    return steps[index]


def find_place(steps: list[Step], key: str) -> tuple[list[Step], int]:
    """Return the list in which a step is, and its position."""
    for index, step in enumerate(steps):
        if step["key"] == key:
            return steps, index
        for inner in step.get("branches", {}).values():
            try:
                return find_place(inner, key)
            except UnknownStepError:
                continue
    raise UnknownStepError(key)


def list_keys(steps: list[Step]) -> list[str]:
    """Return the keys of all steps in document order."""
    keys = []
    for step in steps:
        keys.append(step["key"])
        for inner in step.get("branches", {}).values():
            keys += list_keys(inner)
    return keys


def make_key(definition: Mapping[str, Any], kind: str) -> str:
    """Return a key that no step has."""
    taken = set(list_keys(definition["steps"]))
    return next(key for key in (kind, *(f"{kind}-{number}" for number in range(2, 1000))) if key not in taken)


def add_step(
    definition: Mapping[str, Any], step: Step, *, after: str = "", into: str = "", branch: str = ""
) -> dict[str, Any]:
    """Add a step after another one, or as the first of a branch of ``into``, or as the first of all."""
    changed = deepcopy(dict(definition))
    if after:
        steps, index = find_place(changed["steps"], after)
        steps.insert(index + 1, step)
    elif into:
        parent = find_step(changed, into)
        if branch not in list_branches(parent):
            raise UnknownStepError(f"{into}: {branch}")
        parent.setdefault("branches", {}).setdefault(branch, []).insert(0, step)
    else:
        changed["steps"].insert(0, step)
    return changed


def replace_step(definition: Mapping[str, Any], key: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the fields of a step; the steps in branches that still exist stay."""
    changed = deepcopy(dict(definition))
    steps, index = find_place(changed["steps"], key)
    before = steps[index]
    step = {"key": key, "kind": before["kind"], **settings}
    names = list_branches(step)
    if names:
        step["branches"] = {name: before.get("branches", {}).get(name, []) for name in names}
    steps[index] = step
    return changed


def move_step(definition: Mapping[str, Any], key: str, *, by: int) -> dict[str, Any]:
    """Move a step up (-1) or down (1) among its neighbors; at the end of its list nothing changes."""
    changed = deepcopy(dict(definition))
    steps, index = find_place(changed["steps"], key)
    target = index + by
    if 0 <= target < len(steps):
        steps[index], steps[target] = steps[target], steps[index]
    return changed


def delete_step(definition: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Delete a step with everything in its branches."""
    changed = deepcopy(dict(definition))
    steps, index = find_place(changed["steps"], key)
    del steps[index]
    return changed
