"""Why a customer's score is higher or lower than that of the average customer: the columns that move it most."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.features.features import families_of
from customers.lifecycle.scoring.propensity.models.array_models import Model

MOST = 3
BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class Reasons:
    """Of n customers the m things that move the score most, strongest first; arrays of shape (n, m).

    codes: names of what `code` counts: columns, or families of columns. code: place in codes, −1 where fewer move it at all.
    effect: what it adds to the margin against the average customer, above 0 raises the score, below lowers it. column: place in the
    names of the columns, of the one that adds most in the same direction within its family. value: the customer's value of it.
    margin: (n,), the whole difference from the average, which all effects, shown or not, add up to exactly. scale of all of them:
    log-odds or probability, before calibration, which changes sizes and never the order.
    """

    codes: tuple[str, ...]
    code: npt.NDArray[np.int16]
    effect: npt.NDArray[np.float32]
    column: npt.NDArray[np.int16]
    value: npt.NDArray[np.float32]
    margin: Floats
    scale: str


def tell_reasons(
    *, model: Model, names: tuple[str, ...], matrix: Matrix, by_family: bool = True, most: int = MOST
) -> Reasons:
    """For a linear model exact: β_j · (x_j − mean_j), for trees by the path each customer takes (see `models`).

    by_family: columns that tell the same story are one reason (orders in 30 and in 90 days …), since effects of columns that go
    together cancel each other and are only true in sum. Linear in customers; memory for a block of them beside the answer.
    """
    codes, family = families_of(names) if by_family else (names, np.arange(len(names)))
    m = min(most, len(codes))
    parts = [_block(model, matrix[low : low + BLOCK], family, len(codes), m) for low in range(0, len(matrix), BLOCK)]
    if not parts:
        parts = [_block(model, matrix, family, len(codes), m)]
    code, effect, column, value, margin = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Reasons(codes, code, effect, column, value, margin, model.scale)


def _block(
    model: Model, matrix: Matrix, family: Ints, n_codes: int, most: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32], npt.NDArray[np.int16], npt.NDArray[np.float32], Floats]:
    added = model.contributions(matrix)
    effects = np.zeros((len(matrix), n_codes))
    for place, code in enumerate(family):
        effects[:, code] += added[:, place]
    chosen = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :most]
    effect = np.take_along_axis(effects, chosen, axis=1)
    leading = np.empty(chosen.shape, np.int64)
    for place in range(chosen.shape[1]):
        same = family[None, :] == chosen[:, place, None]
        leading[:, place] = np.argmax(np.where(same, added * np.sign(effect[:, place, None]), -np.inf), axis=1)
    value = np.take_along_axis(matrix, leading, axis=1)
    code = np.where(effect == 0, -1, chosen)
    column = np.where(effect == 0, -1, leading)
    return (
        code.astype(np.int16), effect.astype(np.float32), column.astype(np.int16), value.astype(np.float32),
        effects.sum(axis=1),
    )  # fmt: skip
