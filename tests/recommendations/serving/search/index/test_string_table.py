"""Strings keep their numbers while the table grows and when it is saved."""

from hypothesis import given
from hypothesis import strategies as st

from recommendations.serving.search.index.string_table import StringTable


@given(st.lists(st.lists(st.text(max_size=4), max_size=6), max_size=4))
def test_strings_keep_their_numbers(groups: list[list[str]]) -> None:
    table, known = StringTable.from_texts([]), list[str]()
    for group in groups:
        table, numbers = table.with_new(group)
        known += [text for text in dict.fromkeys(group) if text not in known]
        assert numbers.tolist() == [known.index(text) for text in group]
    for copy in (table, table.compact(), StringTable.from_arrays(table.to_arrays())):
        assert copy.list_texts() == known
        assert [copy.get_text(number) for number in range(len(known))] == known
        assert copy.find_numbers(["unknown text"]).tolist() == [-1]
