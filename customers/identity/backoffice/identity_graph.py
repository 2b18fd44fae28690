"""How one customer came to be known: identifiers, merges and conflicts as a tree, with the places to draw it.

The customer stands on top. Identifiers hang below whom they were linked to: the customer, or somebody who was folded into it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db.models import Q

from customers.identity.backoffice.identifier_labels import kind_name, shown_value
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.merging.merge import MERGES_LABEL, count_rows
from customers.identity.models import Customer, Identifier, IdentityConflict, IdentityMerge

INDENT, ROW, TOP, RADIUS = 26, 40, 20, 7
MOST_DRAWN = 40  # identifiers; the table has more of them
MOST_LISTED = 300
MOST_LETTERS = 26
IDENTIFIERS_LABEL = Identifier._meta.label_lower


@dataclass(slots=True)
class KnownBy:
    """An identifier, as a page shows it."""

    id: int
    kind: str
    kind_name: str
    value: str
    linked_at: datetime
    linked_by: str
    merge: IdentityMerge | None = None  # by which it came here


@dataclass(slots=True)
class Node:
    """Something drawn: a circle at (x, y), two lines of text beside it."""

    tone: Literal[
        "customer", "folded", "conflict", "more", "user_id", "anonymous_id", "email_hash", "phone_hash", "device_id"
    ]
    title: str
    depth: int
    known_by: KnownBy | None = None
    merge: IdentityMerge | None = None
    conflict: IdentityConflict | None = None
    customer_id: int | None = None
    more: int = 0
    below: list["Node"] = field(default_factory=list)
    x: int = 0
    y: int = 0

    @property
    def short_title(self) -> str:
        return self.title if len(self.title) <= MOST_LETTERS else f"{self.title[: MOST_LETTERS - 1]}…"


@dataclass(slots=True)
class Edge:
    path: str
    is_doubted: bool


@dataclass(slots=True)
class IdentityGraph:
    """The drawing, and the same as lists."""

    nodes: list[Node]
    edges: list[Edge]
    height: int
    identifiers: list[KnownBy]
    unlisted: int
    merges: list[IdentityMerge]  # newest first, with those that were undone
    conflicts: list[IdentityConflict]


def identity_graph(*, customer_id: int, with_personal: bool) -> IdentityGraph:
    """Three queries, whatever there is."""
    about = Q(kept_id=customer_id) | Q(folded_id=customer_id)
    merges = list(IdentityMerge.objects.filter(about).order_by("at", "id"))
    rows = Identifier.objects.filter(customer_id=customer_id).order_by("created_at", "id")
    identifiers = [
        KnownBy(
            one.pk,
            one.kind,
            kind_name(one.kind),
            shown_value(one.kind, one.value, with_personal=with_personal),
            one.created_at,
            one.linked_by,
        )
        for one in rows
    ]
    conflicts = list(IdentityConflict.objects.filter(customer_ids__contains=[customer_id])[:MOST_DRAWN])
    root = plant(customer_id, identifiers, [one for one in merges if one.reverted_at is None], conflicts)
    nodes = list(place(root))
    return IdentityGraph(
        nodes=nodes,
        edges=list(connect(root)),
        height=TOP + ROW * len(nodes),
        identifiers=identifiers[:MOST_LISTED],
        unlisted=max(0, len(identifiers) - MOST_LISTED),
        merges=merges[::-1],
        conflicts=conflicts,
    )


def plant(
    customer_id: int, identifiers: list[KnownBy], merges: list[IdentityMerge], conflicts: Iterable[IdentityConflict]
) -> Node:
    """The tree. What several merges moved hangs below the first of them: the later ones moved it along."""
    root = Node("customer", f"#{customer_id}", 0, customer_id=customer_id)
    folded = {one.pk: Node("folded", f"#{one.folded_id}", 1, merge=one) for one in merges}
    first = {label: first_movers(merges, label) for label in (IDENTIFIERS_LABEL, MERGES_LABEL)}
    for one in merges:
        around = folded.get(first[MERGES_LABEL].get(one.pk, 0), root)
        around.below.append(folded[one.pk])
    drawn = 0
    for known_by in identifiers:
        node = folded.get(first[IDENTIFIERS_LABEL].get(known_by.id, 0), root)
        known_by.merge = node.merge
        drawn += 1
        if drawn <= MOST_DRAWN:
            own = len([one for one in node.below if one.known_by])
            node.below.insert(own, Node(known_by.kind, known_by.value, 0, known_by=known_by))  # type: ignore[arg-type]
    if drawn > MOST_DRAWN:
        root.below.append(Node("more", "…", 1, more=drawn - MOST_DRAWN))
    for conflict in conflicts:
        others = [one for one in conflict.customer_ids if one != customer_id]
        title = ", ".join(f"#{one}" for one in others) or conflict.get_reason_display()
        other = others[0] if len(others) == 1 else None
        root.below.append(Node("conflict", str(title), 1, conflict=conflict, customer_id=other))
    return root


def first_movers(merges: Iterable[IdentityMerge], label: str) -> dict[int, int]:
    """Row → the first merge that moved it; ``merges`` is in order of time."""
    movers: dict[int, int] = {}
    for merge in merges:
        for row_id in rows_of(merge, label):
            movers.setdefault(row_id, merge.pk)
    return movers


def rows_of(merge: IdentityMerge, label: str) -> list[Any]:
    rows: Mapping[str, list[Any]] = merge.moved.get("rows", {})
    return rows.get(label, [])


def place(root: Node) -> Iterator[Node]:
    """Every node on a line of its own, in the order of reading, moved in by its depth."""
    waiting, line = [(root, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        node.depth, node.x, node.y = depth, RADIUS + 2 + INDENT * depth, TOP + ROW * line
        line += 1
        yield node
        waiting += [(below, depth + 1) for below in reversed(node.below)]


def connect(node: Node) -> Iterator[Edge]:
    for below in node.below:
        down, across = below.y - node.y - RADIUS - 8, below.x - node.x - RADIUS - 8
        path = f"M{node.x} {node.y + RADIUS}v{down}q0 8 8 8h{across}"
        yield Edge(path, below.tone == "conflict")
        yield from connect(below)


def customers_beside(*, customer_ids: Iterable[int], with_personal: bool) -> list[dict[str, Any]]:
    """Customers side by side: when they were seen, and how many rows of each kind there are about each of them."""
    ids = list(customer_ids)
    customers = Customer.objects.prefetch_related("identifiers")
    found = (customers if with_personal else customers.defer(*PERSONAL_FIELDS)).in_bulk(ids)
    counted = {
        str(relation.related_model._meta.verbose_name_plural): count_rows(relation, ids)
        for relation in Customer._meta.related_objects
    }
    return [
        {
            "customer": found[customer_id],
            "counts": {name: counts.get(customer_id, 0) for name, counts in counted.items() if any(counts.values())},
        }
        for customer_id in ids
        if customer_id in found
    ]
