"""The identity graph of a customer: identifiers, merges and conflicts as a tree, with coordinates for drawing.

The customer is at the top. Identifiers are below the customer they were linked to, which may have been merged since.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.db.models import Q

from customers.identity.backoffice.identifier_labels import label_identifier_type, mask_identifier
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.merging.merge import MERGES_LABEL
from customers.identity.merging.revert import count_rows
from customers.identity.models import Customer, Identifier, IdentityConflict, IdentityMerge

INDENT, ROW, TOP, RADIUS = 26, 40, 20, 7
MAX_DRAWN = 40  # identifiers in the drawing; the table lists more
MAX_LISTED = 300
MAX_TITLE_LENGTH = 26
IDENTIFIERS_LABEL = Identifier._meta.label_lower


@dataclass(slots=True)
class IdentifierRow:
    """An identifier as the page shows it."""

    id: int
    kind: str
    type_label: str
    value: str
    linked_at: datetime
    linked_by: str
    merge: IdentityMerge | None = None  # the merge that brought it to this customer


@dataclass(slots=True)
class GraphNode:
    """A node of the drawing: a circle at (x, y) with two lines of text next to it."""

    tone: Literal[
        "customer",
        "merged",
        "conflict",
        "more",
        "user_id",
        "anonymous_id",
        "email_hash",
        "phone_hash",
        "device_id",
        "openid_hash",
        "unionid_hash",
    ]
    title: str
    depth: int
    identifier: IdentifierRow | None = None
    merge: IdentityMerge | None = None
    conflict: IdentityConflict | None = None
    customer_id: int | None = None
    more: int = 0
    children: list["GraphNode"] = field(default_factory=list)
    x: int = 0
    y: int = 0

    @property
    def short_title(self) -> str:
        return self.title if len(self.title) <= MAX_TITLE_LENGTH else f"{self.title[: MAX_TITLE_LENGTH - 1]}…"


@dataclass(slots=True)
class GraphEdge:
    path: str
    is_conflict: bool


@dataclass(slots=True)
class IdentityGraph:
    """The drawing and the same data as lists."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    height: int
    identifiers: list[IdentifierRow]
    unlisted: int
    merges: list[IdentityMerge]  # newest first, including undone ones
    conflicts: list[IdentityConflict]


def build_identity_graph(*, customer_id: int, with_personal: bool) -> IdentityGraph:
    """Build the graph with three queries, regardless of its size."""
    is_involved = Q(kept_id=customer_id) | Q(merged_id=customer_id)
    merges = list(IdentityMerge.objects.filter(is_involved).order_by("at", "id"))
    rows = Identifier.objects.filter(customer_id=customer_id).order_by("created_at", "id")
    identifiers = [
        IdentifierRow(
            identifier.pk,
            identifier.kind,
            label_identifier_type(identifier.kind),
            mask_identifier(identifier.kind, identifier.value, with_personal=with_personal),
            identifier.created_at,
            identifier.linked_by,
        )
        for identifier in rows
    ]
    conflicts = list(IdentityConflict.objects.filter(customer_ids__contains=[customer_id])[:MAX_DRAWN])
    root = build_tree(customer_id, identifiers, [merge for merge in merges if merge.reverted_at is None], conflicts)
    nodes = list(lay_out_nodes(root))
    return IdentityGraph(
        nodes=nodes,
        edges=list(draw_edges(root)),
        height=TOP + ROW * len(nodes),
        identifiers=identifiers[:MAX_LISTED],
        unlisted=max(0, len(identifiers) - MAX_LISTED),
        merges=merges[::-1],
        conflicts=conflicts,
    )


def build_tree(
    customer_id: int,
    identifiers: list[IdentifierRow],
    merges: list[IdentityMerge],
    conflicts: Iterable[IdentityConflict],
) -> GraphNode:
    """Build the tree. A row that several merges moved is a child of the first; the later ones moved it along with the customer."""
    root = GraphNode("customer", f"#{customer_id}", 0, customer_id=customer_id)
    merge_nodes = {merge.pk: GraphNode("merged", f"#{merge.merged_id}", 1, merge=merge) for merge in merges}
    first = {label: find_first_merges(merges, label) for label in (IDENTIFIERS_LABEL, MERGES_LABEL)}
    for merge in merges:
        parent = merge_nodes.get(first[MERGES_LABEL].get(merge.pk, 0), root)
        parent.children.append(merge_nodes[merge.pk])
    n_drawn = 0
    for identifier in identifiers:
        node = merge_nodes.get(first[IDENTIFIERS_LABEL].get(identifier.id, 0), root)
        identifier.merge = node.merge
        n_drawn += 1
        if n_drawn <= MAX_DRAWN:
            # the node's own identifiers come before the merges into it
            n_identifiers = len([child for child in node.children if child.identifier])
            node.children.insert(n_identifiers, GraphNode(identifier.kind, identifier.value, 0, identifier=identifier))  # type: ignore[arg-type]
    if n_drawn > MAX_DRAWN:
        root.children.append(GraphNode("more", "…", 1, more=n_drawn - MAX_DRAWN))
    for conflict in conflicts:
        other_ids = [other_id for other_id in conflict.customer_ids if other_id != customer_id]
        title = ", ".join(f"#{other_id}" for other_id in other_ids) or conflict.get_reason_display()
        linked_id = other_ids[0] if len(other_ids) == 1 else None
        root.children.append(GraphNode("conflict", str(title), 1, conflict=conflict, customer_id=linked_id))
    return root


def find_first_merges(merges: Iterable[IdentityMerge], label: str) -> dict[int, int]:
    """Return the first merge that moved each row; ``merges`` is in order of time."""
    movers: dict[int, int] = {}
    for merge in merges:
        for row_id in read_moved_rows(merge, label):
            movers.setdefault(row_id, merge.pk)
    return movers


def read_moved_rows(merge: IdentityMerge, label: str) -> list[Any]:
    rows: Mapping[str, list[Any]] = merge.moved.get("rows", {})
    return rows.get(label, [])


def lay_out_nodes(root: GraphNode) -> Iterator[GraphNode]:
    """Place each node on a line of its own in reading order, indented by its depth."""
    stack, line = [(root, 0)], 0
    while stack:
        node, depth = stack.pop()
        node.depth, node.x, node.y = depth, RADIUS + 2 + INDENT * depth, TOP + ROW * line
        line += 1
        yield node
        stack += [(child, depth + 1) for child in reversed(node.children)]


def draw_edges(node: GraphNode) -> Iterator[GraphEdge]:
    """Yield the lines from a node to the nodes below it, and from those downwards."""
    for child in node.children:
        down, across = child.y - node.y - RADIUS - 8, child.x - node.x - RADIUS - 8
        path = f"M{node.x} {node.y + RADIUS}v{down}q0 8 8 8h{across}"
        yield GraphEdge(path, child.tone == "conflict")
        yield from draw_edges(child)


def compare_customers(*, customer_ids: Iterable[int], with_personal: bool) -> list[dict[str, Any]]:
    """Return customers with the number of their rows in each model, for a comparison side by side."""
    ids = list(customer_ids)
    customers = Customer.objects.prefetch_related("identifiers")
    customers_by_id = (customers if with_personal else customers.defer(*PERSONAL_FIELDS)).in_bulk(ids)
    counts_by_model = {
        str(relation.related_model._meta.verbose_name_plural): count_rows(relation, ids)
        for relation in Customer._meta.related_objects
    }
    return [
        {
            "customer": customers_by_id[customer_id],
            "counts": {
                name: counts.get(customer_id, 0) for name, counts in counts_by_model.items() if any(counts.values())
            },
        }
        for customer_id in ids
        if customer_id in customers_by_id
    ]
