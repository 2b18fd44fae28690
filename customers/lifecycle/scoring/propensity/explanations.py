"""Explains scores by the features that move them most from the average."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.features.features import group_by_family
from customers.lifecycle.scoring.propensity.models.array_models import ArrayModel

MAX_REASONS = 3
BLOCK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class ScoreReasons:
    """For n customers the m largest contributions to the score, strongest first.

    Arrays of shape (n, m).
    codes: names that `code` indexes: columns, or families of columns. code: index in codes, −1 where fewer contribute at all.
    effect: contribution to the margin against the average customer; above 0 raises the score, below lowers it. column: index in the
    column names of the largest contribution in the same direction within the family. value: the customer's value of it.
    margin: (n,), the total difference from the average, exactly the sum of all effects, listed or not. scale of all of them: log-odds
    or probability, before calibration, which changes sizes but never the order.
    """

    codes: tuple[str, ...]
    code: npt.NDArray[np.int16]
    effect: npt.NDArray[np.float32]
    column: npt.NDArray[np.int16]
    value: npt.NDArray[np.float32]
    margin: Floats
    scale: str


def explain_scores(
    *, model: ArrayModel, names: tuple[str, ...], matrix: Matrix, by_family: bool = True, max_reasons: int = MAX_REASONS
) -> ScoreReasons:
    """Explain each score: exact for linear models, β_j · (x_j − mean_j).

    Trees are explained by the path of each customer (see `models`).
    by_family: related columns form one reason (orders in 30 and in 90 days …), since effects of correlated columns cancel each other
    and are only meaningful in sum. Takes time linear in customers, and memory for one block of them in addition to the result.
    """
    codes, family = group_by_family(names) if by_family else (names, np.arange(len(names)))
    n_reasons = min(max_reasons, len(codes))
    parts = [
        _explain_block(model, matrix[low : low + BLOCK_ROWS], family, len(codes), n_reasons)
        for low in range(0, len(matrix), BLOCK_ROWS)
    ]
    if not parts:
        parts = [_explain_block(model, matrix, family, len(codes), n_reasons)]
    code, effect, column, value, margin = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ScoreReasons(codes, code, effect, column, value, margin, model.scale)


def _explain_block(
    model: ArrayModel, matrix: Matrix, family: Ints, n_codes: int, max_reasons: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32], npt.NDArray[np.int16], npt.NDArray[np.float32], Floats]:
    """Explain the rows of one block."""
    contributions = model.compute_contributions(matrix)
    effects = np.zeros((len(matrix), n_codes))
    for index, code in enumerate(family):
        effects[:, code] += contributions[:, index]
    top = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :max_reasons]
    effect = np.take_along_axis(effects, top, axis=1)
    top_columns = np.empty(top.shape, np.int64)
    for index in range(top.shape[1]):
        in_family = family[None, :] == top[:, index, None]
        top_columns[:, index] = np.argmax(
            np.where(in_family, contributions * np.sign(effect[:, index, None]), -np.inf), axis=1
        )
    value = np.take_along_axis(matrix, top_columns, axis=1)
    code = np.where(effect == 0, -1, top)
    column = np.where(effect == 0, -1, top_columns)
    return (
        code.astype(np.int16), effect.astype(np.float32), column.astype(np.int16), value.astype(np.float32),
        effects.sum(axis=1),
    )  # fmt: skip
