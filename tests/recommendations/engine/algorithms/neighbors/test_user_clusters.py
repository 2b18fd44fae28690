"""Clusters of users, against answers by hand."""

import numpy as np
import pytest

from recommendations.engine import Histories, Interactions, recommend
from recommendations.engine.algorithms.neighbors.user_clusters import UserClusters


def make_tastes(n_users: int = 60) -> Interactions:
    """Make users of three tastes; all have salt and three of the four products of their taste."""
    lines = [(user, item) for user in range(n_users) for item in range(4) if item != user // 3 % 4]
    users = [f"u{user:02d}" for user, _ in lines] + [f"u{user:02d}" for user in range(n_users)]
    items = [f"{'abc'[user % 3]}{item}" for user, item in lines] + ["salt"] * n_users
    return Interactions.from_ids(user_ids=users, item_ids=items)


def test_users_of_one_taste_share_a_cluster():
    interactions = make_tastes()
    labels = UserClusters(clusters=3).fit(interactions).cluster(interactions.build_histories())
    tastes = np.array([int(user[1:]) % 3 for user in interactions.users.get_ids()])
    assert len({(label, taste) for label, taste in zip(labels.tolist(), tastes.tolist(), strict=True)}) == 3


def test_lift_matches_the_calculation_by_hand():
    interactions = make_tastes()
    model = UserClusters(clusters=3, damping=1.0, smoothing=10.0).fit(interactions)
    scores = model.score(interactions.build_histories().slice_rows(0, 1)).toarray()[0]
    # Of the 20 with the first one's taste 15 have each of its products, of all 60 as many: p = 1/4.
    within = (15 + 10 / 4) / (20 + 10)
    assert scores[interactions.items.get_row("a1")] == pytest.approx(within * 4)
    assert scores[interactions.items.get_row("salt")] == pytest.approx(1.0), (
        "a product of all users does not indicate a taste"
    )
    assert scores[interactions.items.get_row("b1")] == 0


def test_without_damping_the_score_is_the_share_within_the_cluster():
    interactions = make_tastes()
    model = UserClusters(clusters=3, damping=0.0, smoothing=0.0).fit(interactions)
    scores = model.score(interactions.build_histories().slice_rows(0, 1)).toarray()[0]
    assert scores[interactions.items.get_row("a1")] == pytest.approx(15 / 20)


def test_products_of_the_own_cluster_rank_first():
    interactions = make_tastes()
    model = UserClusters(clusters=3).fit(interactions)
    first = recommend(model, interactions.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user in range(60):
        assert interactions.items.get_id(first[user]) == f"{'abc'[user % 3]}{user // 3 % 4}"


def test_empty_history_has_no_cluster_and_few_users_form_few_clusters():
    interactions = make_tastes()
    model = UserClusters(clusters=30).fit(interactions)
    assert model.centers_.shape[1] == 3
    assert model.cluster(Histories.of_lists([[], [0]], n_items=13)).tolist()[0] == -1
    assert model.sizes_.sum() == 60


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(UserClusters(clusters=0), "clusters"),
     (UserClusters(smoothing=-1.0), "smoothing")],
)  # fmt: skip
def test_invalid_parameters_are_named(model, parameter):
    with pytest.raises(ValueError, match=parameter):
        model.fit(make_tastes())
