"""The attribute index after any changes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.serving.search.index.attributes import AttributeIndex

pairs = st.lists(st.sampled_from(["color=red", "color=blue", "size=1", "size=2", "a=b=c"]), unique=True, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), pairs), min_size=1, max_size=10), st.lists(st.integers(0, 6)))
def test_attributes_follow_the_last_change(changes: list[tuple[int, list[str]]], requested_rows: list[int]) -> None:
    attributes, present = AttributeIndex.create_empty(), dict[int, list[str]]()
    for row, values in changes:
        attributes = attributes.with_changes(np.array([row], np.int32), [values])
        present[row] = values
    rows = np.array([row for row in requested_rows if row < len(attributes.starts)], np.int32)
    expected: dict[str, dict[str, int]] = {}
    for row in rows.tolist():
        for pair in present.get(row, []):
            name, _, value = pair.partition("=")
            expected.setdefault(name, {}).setdefault(value, 0)
            expected[name][value] += 1
    compacted = attributes.compact()
    for index in (attributes, compacted, AttributeIndex.from_arrays(*compacted.to_arrays())):
        assert {name: dict(values) for name, values in index.count_values(rows).items()} == expected
        assert index.find_rows("color", "red", rows).tolist() == [
            "color=red" in present.get(row, []) for row in rows.tolist()
        ]
