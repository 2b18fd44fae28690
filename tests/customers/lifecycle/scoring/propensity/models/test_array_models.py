"""The models as arrays score like scikit-learn; contributions add up to the score."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from customers.lifecycle.scoring.propensity.explanations import explain_scores
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.models.array_models import (
    LogOddsEnsemble,
    build_model,
    find_model_type,
    predict_probability,
)
from customers.lifecycle.scoring.propensity.models.candidates import (
    Hyperparameters,
    convert_boosting_trees,
    convert_sklearn_trees,
    fit_boosting,
    fit_forest,
    fit_logistic,
    fit_probability_column,
    fit_recency,
    fit_tree,
)
from customers.lifecycle.scoring.propensity.models.tree_rules import extract_rules

NAMES = ("recency_days", "orders_30", "orders_90", "spend", "purchase_probability", "constant")


def make_sample(n: int = 3000, seed: int = 1) -> TrainingSample:
    draws = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            draws.exponential(40, n),
            draws.poisson(1, n),
            draws.poisson(3, n),
            draws.lognormal(3, 1, n) - 10,
            draws.random(n),
            np.full(n, 3.0),
        ]
    ).astype(np.float32)
    odds = 1 - matrix[:, 0] / 30 + 0.5 * matrix[:, 2] + (matrix[:, 3] > 20) * (matrix[:, 1] > 0) * 1.5 - 1
    label = draws.random(n) < 1 / (1 + np.exp(-odds))
    return TrainingSample(NAMES, matrix, label, np.arange(n), np.zeros(n, np.int64))


SAMPLE = make_sample()
OTHERS = make_sample(700, seed=2)


def fit_models() -> dict:
    settings = Hyperparameters(leaves=8, trees=40)
    logistic = fit_logistic(SAMPLE, hyperparameters=settings, purchase_model_column="purchase_probability")
    hinges = fit_logistic(
        SAMPLE, hyperparameters=Hyperparameters(hinges=True), purchase_model_column="purchase_probability"
    )
    boosting = fit_boosting(SAMPLE, hyperparameters=settings, seed=1)
    return {
        "recency": fit_recency(SAMPLE),
        "probability_column": fit_probability_column(SAMPLE, column="purchase_probability"),
        "logistic": logistic,
        "hinges": hinges,
        "boosting": boosting,
        "forest": fit_forest(SAMPLE, seed=1),
        "tree": fit_tree(SAMPLE, seed=1),
        "ensemble": LogOddsEnsemble((hinges, boosting), np.array([0.4, 0.6]), base=0.1),
    }


MODELS = fit_models()


def test_boosting_scores_as_scikit_learn():
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, max_features=0.5, random_state=3)
    model.fit(SAMPLE.matrix, SAMPLE.label)
    ours = predict_probability(convert_boosting_trees(model), OTHERS.matrix)
    assert np.abs(ours - model.predict_proba(OTHERS.matrix)[:, 1]).max() < 1e-9


@pytest.mark.parametrize("balanced", [None, "balanced"])
def test_forest_and_tree_score_as_scikit_learn(balanced):
    forest = RandomForestClassifier(20, max_depth=7, class_weight=balanced, random_state=3)
    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=0.01, class_weight=balanced, random_state=3)
    forest.fit(SAMPLE.matrix, SAMPLE.label)
    tree.fit(SAMPLE.matrix, SAMPLE.label)
    ours = convert_sklearn_trees([fitted_tree.tree_ for fitted_tree in forest.estimators_], base=0.0, divided_by=20)
    assert np.abs(ours.predict_margin(OTHERS.matrix) - forest.predict_proba(OTHERS.matrix)[:, 1]).max() < 1e-9
    single = convert_sklearn_trees([tree.tree_], base=0.0)
    assert np.abs(single.predict_margin(OTHERS.matrix) - tree.predict_proba(OTHERS.matrix)[:, 1]).max() < 1e-9


def test_logistic_regression_scores_as_scikit_learn():
    ours = MODELS["logistic"]

    def terms(matrix: np.ndarray) -> np.ndarray:
        x = matrix.astype(float)
        for j, code in enumerate(ours.transform):
            if code == 1:
                x[:, j] = np.sign(x[:, j]) * np.log1p(np.abs(x[:, j]))
            elif code == 2:
                x[:, j] = np.log(x[:, j] / (1 - x[:, j]))
        return np.clip((x - ours.center) / ours.spread, -5, 5)

    assert ours.transform.tolist() == [1, 0, 0, 1, 2, 0]
    model = LogisticRegression(C=Hyperparameters().penalty, solver="newton-cholesky", tol=1e-6, max_iter=200)
    model.fit(terms(SAMPLE.matrix), SAMPLE.label)
    theirs = model.predict_proba(terms(OTHERS.matrix))[:, 1]
    assert np.abs(predict_probability(ours, OTHERS.matrix) - theirs).max() < 1e-6
    exact_parameters = model.coef_[0], model.intercept_[0]
    copied = type(ours).from_arrays(
        ours.to_arrays()
        | {"coefficients": exact_parameters[0][:, None] * 1.0, "intercept": np.array(exact_parameters[1])}
    )
    assert np.abs(predict_probability(copied, OTHERS.matrix) - theirs).max() < 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_contributions_add_up_to_the_difference_from_the_average(name):
    model = MODELS[name]
    contributions = model.compute_contributions(OTHERS.matrix)
    assert contributions.shape == OTHERS.matrix.shape
    assert np.abs(model.average + contributions.sum(axis=1) - model.predict_margin(OTHERS.matrix)).max() < 1e-9
    assert not contributions[:, NAMES.index("constant")].any()
    margins = model.predict_margin(SAMPLE.matrix)
    # the trees of a forest are fitted on resamples, so their means differ from those over the training rows
    assert model.average == pytest.approx(margins.mean(), abs=0.02 if name == "forest" else 1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_serialized_models_score_the_same(name, tmp_path):
    model = MODELS[name]
    np.savez(tmp_path / "model.npz", **model.to_arrays())
    with np.load(tmp_path / "model.npz", allow_pickle=False) as stored:
        rebuilt = build_model(find_model_type(model), dict(stored))
    assert np.array_equal(rebuilt.predict_margin(OTHERS.matrix), model.predict_margin(OTHERS.matrix))
    assert np.array_equal(rebuilt.compute_contributions(OTHERS.matrix), model.compute_contributions(OTHERS.matrix))
    assert rebuilt.average == model.average


def test_an_unknown_kind_is_rejected():
    with pytest.raises(ValueError, match="kind must be one of"):
        build_model("network", {})


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("by_family", [False, True])
def test_reasons_are_the_largest_effects(name, by_family):
    reasons = explain_scores(model=MODELS[name], names=NAMES, matrix=OTHERS.matrix, by_family=by_family, max_reasons=6)
    assert reasons.margin == pytest.approx(MODELS[name].predict_margin(OTHERS.matrix) - MODELS[name].average, abs=1e-9)
    assert reasons.effect.sum(axis=1) == pytest.approx(reasons.margin, abs=1e-4)
    assert (np.diff(np.abs(reasons.effect), axis=1) <= 1e-6).all()
    top_three = explain_scores(model=MODELS[name], names=NAMES, matrix=OTHERS.matrix, by_family=by_family)
    assert top_three.effect.shape == (len(OTHERS), 3)
    assert np.array_equal(top_three.effect, reasons.effect[:, :3])
    has_reason = top_three.code >= 0
    assert (top_three.effect[has_reason] != 0).all()
    rows = np.nonzero(has_reason)[0]
    assert np.array_equal(top_three.value[has_reason], OTHERS.matrix[rows, top_three.column[has_reason]])


def test_reasons_of_a_linear_model_are_coefficient_times_distance_from_the_mean():
    model = MODELS["logistic"]
    reasons = explain_scores(model=model, names=NAMES, matrix=OTHERS.matrix[:1], by_family=False)
    j = int(reasons.column[0, 0])
    x = float(OTHERS.matrix[0, j])
    transformed = np.sign(x) * np.log1p(abs(x)) if model.transform[j] == 1 else x
    z = (transformed - model.center[j]) / model.spread[j]
    assert reasons.effect[0, 0] == pytest.approx(model.coefficients[j, 0] * z - model.means[j], rel=1e-5)
    assert reasons.codes == NAMES


def test_columns_of_a_family_that_cancel_each_other_give_no_reason():
    model = type(MODELS["logistic"])(
        transform=np.zeros(6, np.int64), center=np.zeros(6), spread=np.ones(6), knots=np.empty((6, 0)),
        coefficients=np.array([[0.1], [2.0], [-2.0], [0.5], [0.0], [0.0]]), intercept=0.0, means=np.zeros(6),
    )  # fmt: skip
    row = np.array([[1, 3, 3, 1, 0.5, 0]], np.float32)
    by_column = explain_scores(model=model, names=NAMES, matrix=row, by_family=False)
    assert [by_column.codes[code] for code in by_column.code[0]] == ["orders_30", "orders_90", "spend"]
    by_family_reasons = explain_scores(model=model, names=NAMES, matrix=row)
    assert [by_family_reasons.codes[code] for code in by_family_reasons.code[0][:2]] == ["spend", "recency"]
    assert by_family_reasons.code[0, 2] == -1


def test_no_customers_have_no_reasons():
    reasons = explain_scores(model=MODELS["tree"], names=NAMES, matrix=np.empty((0, 6), np.float32))
    assert reasons.effect.shape == (0, 3)


def test_rules_partition_the_customers_and_have_the_probabilities_of_the_tree():
    tree = MODELS["tree"]
    rules = extract_rules(tree=tree, names=NAMES)
    assert sum(rule.share for rule in rules) == pytest.approx(1)
    assert all(rule.share >= 0.01 and 1 <= len(rule.conditions) <= 4 for rule in rules)
    assert [rule.probability for rule in rules] == sorted((rule.probability for rule in rules), reverse=True)
    matches = np.zeros(len(SAMPLE))
    for rule in rules:
        is_match = np.ones(len(SAMPLE), bool)
        for condition in rule.conditions:
            column = SAMPLE.matrix[:, NAMES.index(condition.feature)].astype(float)
            is_match &= column <= condition.value if condition.operator == "<=" else column > condition.value
        matches += is_match
        assert is_match.mean() == pytest.approx(rule.share)
        assert SAMPLE.label[is_match].mean() == pytest.approx(rule.probability)
        assert tree.predict_margin(SAMPLE.matrix[is_match]) == pytest.approx(rule.probability)
    assert (matches == 1).all()
    with pytest.raises(ValueError, match="one tree"):
        extract_rules(tree=MODELS["forest"], names=NAMES)
