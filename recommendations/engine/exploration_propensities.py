"""The probability with which Thompson sampling chooses a new product, computed from the distributions that it draws from."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts, Floats
from recommendations.engine.exploration import HALVINGS, STEPS
from recommendations.engine.linear_algebra.jit import compiled_with_gil

NODES = 80  # a distribution is followed until the share above is 2^(−NODES / STEPS), about 1e-6
LEAST = 1e-15  # a smaller product of shares counts as 0
SHARE_ABOVE = 2.0 ** -(np.arange(HALVINGS * STEPS + 1) / STEPS)  # at each entry of a row of quantiles
MIN_TOTAL = 1e-300
DECAY = np.log(2) / STEPS


@compiled_with_gil
def find_quantile(quantiles: AnyFloats, position: float) -> float:
    """Return the quantile that `draw_interest` draws at this position, of one row of quantiles."""
    left = min(int(position), quantiles.shape[0] - 2)
    return float(quantiles[left] + (position - left) * (quantiles[left + 1] - quantiles[left]))


@compiled_with_gil
def find_quantile_position(quantiles: AnyFloats, value: float) -> float:
    """Return the position of a value, the inverse of `find_quantile`; 0 below the smallest quantile."""
    if value <= quantiles[0]:
        return 0.0
    left = min(int(np.searchsorted(quantiles, value, side="right")), quantiles.shape[0] - 1) - 1
    width = float(quantiles[left + 1] - quantiles[left])
    return left + (value - float(quantiles[left])) / width if width > 0 else left + 1.0


@compiled_with_gil
def make_nodes(
    quantiles: AnyFloats, trial_rows: AnyInts, factors: AnyFloats, starts: Floats, chosen: AnyInts, leaves: AnyInts
) -> Floats:
    """Return ascending values for the integration: quantiles of the largest draw and of each chosen product, and their midpoints."""
    nodes = np.empty((1 + chosen.shape[0]) * NODES, np.float64)
    for number in range(NODES):
        largest = 0.0
        for product in range(trial_rows.shape[0]):
            if leaves[product] > 0:
                drawn = find_quantile(quantiles[trial_rows[product]], starts[product] + number)
                largest = max(largest, float(factors[product]) * drawn)
        nodes[number] = largest
    for slot in range(chosen.shape[0]):
        product = chosen[slot]
        for number in range(NODES):
            drawn = find_quantile(quantiles[trial_rows[product]], starts[product] + number)
            nodes[(1 + slot) * NODES + number] = factors[product] * drawn
    nodes.sort()
    refined = np.empty(2 * nodes.shape[0] - 1, np.float64)
    refined[::2] = nodes
    refined[1::2] = (nodes[1:] + nodes[:-1]) / 2
    return refined


@compiled_with_gil
def decay(steps: float) -> float:
    """Return 2^(−steps / STEPS): its Taylor series within one step, with an error below 1e-7."""
    x = -DECAY * steps
    if steps > 1.0:
        return float(np.exp(x))
    return 1.0 + x * (1.0 + x / 2 * (1.0 + x / 3 * (1.0 + x / 4 * (1.0 + x / 5))))


@compiled_with_gil
def multiply_by_shares_below(out: Floats, nodes: Floats, quantiles: AnyFloats, factor: float, start: float) -> None:
    """Multiply out[g] by P(factor · draw < nodes[g]) for a draw above its start."""
    left, last = 0, quantiles.shape[0] - 2
    scale = 2.0 ** (start / STEPS)  # among the draws above the start
    for node in range(nodes.shape[0]):
        if out[node] == 0.0:
            continue
        value = nodes[node] / factor
        if value <= quantiles[0]:
            out[node] = 0.0
            continue
        while left < last and quantiles[left + 1] <= value:
            left += 1
        width = quantiles[left + 1] - quantiles[left]
        beyond = (value - quantiles[left]) / width if width > 0 else 1.0
        position = left + beyond
        if position <= start:
            out[node] = 0.0
            continue
        out[node] *= 1.0 - scale * SHARE_ABOVE[left] * decay(beyond)
        if out[node] < LEAST:
            out[node] = 0.0
        if position - start > NODES + STEPS:
            break


@compiled_with_gil
def compute_choice_propensities(
    quantiles: AnyFloats,
    trial_rows: AnyInts,
    factors: AnyFloats,
    threshold: float,
    chosen: AnyInts,
    leaves: AnyInts,
) -> Floats:
    """Return the probability of each choice given the choices before it, shape (slots,).

    A slot chooses the product with the largest factor · draw among those that are still eligible. With x the value of the product that
    the slot before chose, P = ∫ f(y) · Π F_i(y) dy over the eligible i, and only y < x counts, where x has the density that the choices
    so far imply. The integrals are trapezoid sums over the quantiles of the chosen products and of the largest draw.

    Args:
        quantiles: of `ExplorationTrials`. trial_rows, factors: (n,) of each candidate.
        threshold: every draw is known to be above it, because the others were left out; negative without one.
        chosen: (slots,) the candidate that each slot chose.
        leaves: (n,) number of slots that each candidate was eligible for, from the first one on.
    """
    n, slots = trial_rows.shape[0], chosen.shape[0]
    starts = np.empty(n, np.float64)
    is_chosen = np.zeros(n, np.bool_)
    for product in range(n):
        starts[product] = find_quantile_position(quantiles[trial_rows[product]], threshold)
    for slot in range(slots):
        is_chosen[chosen[slot]] = True
    nodes = make_nodes(quantiles, trial_rows, factors, starts, chosen, leaves)
    size = nodes.shape[0]
    leaving = np.ones(
        (slots + 1, size)
    )  # [k]: Π F of the candidates that no slot chose and that only the first k slots could choose
    for product in range(n):
        if not is_chosen[product] and leaves[product] > 0:
            multiply_by_shares_below(
                leaving[leaves[product]], nodes, quantiles[trial_rows[product]], factors[product], starts[product]
            )
    below = np.ones((slots, size))  # F of the chosen candidates
    for slot in range(slots):
        product = chosen[slot]
        multiply_by_shares_below(below[slot], nodes, quantiles[trial_rows[product]], factors[product], starts[product])
    propensities = np.empty(slots, np.float64)
    above = np.ones(size)  # probability that the value of the choice before is larger, given all choices before
    for slot in range(slots):
        rest = np.ones(size)
        for other in range(slot + 1, slots + 1):
            rest *= leaving[other]
        for other in range(slot + 1, slots):
            rest *= below[other]
        total = 0.0
        mass = np.empty(size - 1)
        for node in range(size - 1):
            mass[node] = (below[slot, node + 1] - below[slot, node]) * (above[node] + above[node + 1]) / 2
            total += mass[node] * (rest[node] + rest[node + 1]) / 2
        propensities[slot] = total
        above[size - 1] = 0.0
        for node in range(size - 2, -1, -1):
            left = (leaving[slot + 1, node] + leaving[slot + 1, node + 1]) / 2
            above[node] = above[node + 1] + mass[node] * left / max(total, MIN_TOTAL)
    return propensities
