"""Terms of texts."""

from recommendations.engine.data.text_terms import join_values, split_values


def test_joined_values_are_split_into_the_same_values():
    assert list(split_values("tags", join_values(["Home > Garden", "a, b"]))) == ["tags=home > garden", "tags=a, b"]
    assert list(split_values("category", "Home > Garden")) == ["category=home", "category=garden"]
    assert list(split_values("tags", join_values([]))) == []
