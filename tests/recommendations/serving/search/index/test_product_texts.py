"""The size of the search index in memory."""

from recommendations.engine.text_search import Documents, TextIndex


def test_the_index_of_twenty_thousand_titles_is_smaller_than_three_megabytes() -> None:
    words = [f"word{number}" for number in range(500)]
    titles = [" ".join(words[(row * step) % 500] for step in (1, 3, 7, 11)) for row in range(20_000)]
    index = TextIndex.of(Documents([[str(row)] for row in range(20_000)], {"title": titles}))
    assert index.megabytes < 3
