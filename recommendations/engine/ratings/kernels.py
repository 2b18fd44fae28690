"""Compiled loops of the rating algorithms."""

import numpy as np

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine.linear_algebra.cholesky_kernels import (
    factorize_cholesky,
    solve_cholesky,
    solve_lower,
    solve_upper,
)
from recommendations.engine.linear_algebra.jit import compiled, compiled_reassociated


@compiled
def sum_nearest_raters(
    similarities: AnyFloats,
    u_indptr: AnyInts,
    u_indices: AnyInts,
    deviations: AnyFloats,
    k: int,
    out_sums: AnyFloats,
    out_norms: AnyFloats,
) -> None:
    """Sum sim·deviation and |sim| per row and item over the k raters of the item with the largest |sim|; sim 0 is no rater.

    The rows of u are the ratings of each user. Users are visited in order of similarity, and an item uses the first k that rated it.
    """
    raters_used = np.empty(out_sums.shape[1], np.int64)
    for row in range(similarities.shape[0]):
        raters_used[:] = 0
        for user in np.argsort(-np.abs(similarities[row]), kind="mergesort"):  # stable: ties go to the first user
            similarity = similarities[row, user]
            if similarity == 0:
                break
            for p in range(u_indptr[user], u_indptr[user + 1]):
                item = u_indices[p]
                if raters_used[item] < k:
                    raters_used[item] += 1
                    out_sums[row, item] += similarity * deviations[p]
                    out_norms[row, item] += abs(similarity)


@compiled
def add_nearest_rated(
    n_indptr: AnyInts,
    n_indices: AnyInts,
    n_data: AnyFloats,
    h_indptr: AnyInts,
    h_items: AnyInts,
    deviations: AnyFloats,
    k: int,
    damping: float,
    scores: AnyFloats,
) -> None:
    """Add Σ s·deviation / (damping + Σ s) over the first k neighbors of each item in a history; rows are sorted best first."""
    n_items = scores.shape[1]
    rating_position = np.full(n_items, -1, np.int64)
    for row in range(scores.shape[0]):
        for p in range(h_indptr[row], h_indptr[row + 1]):
            rating_position[h_items[p]] = p
        n_rated = h_indptr[row + 1] - h_indptr[row]
        for item in range(n_items):
            count = 0
            total, norm = 0.0, 0.0
            for q in range(n_indptr[item], n_indptr[item + 1]):
                p = rating_position[n_indices[q]]
                if p >= 0:
                    total += np.float64(n_data[q]) * deviations[p]
                    norm += n_data[q]
                    count += 1
                    if count in (k, n_rated):  # enough neighbors, or no rated item is left
                        break
            if count:
                scores[row, item] += total / (damping + norm)
        for p in range(h_indptr[row], h_indptr[row + 1]):
            rating_position[h_items[p]] = -1


@compiled_reassociated
def run_descent_epoch(
    order: AnyInts,
    indptr: AnyInts,
    indices: AnyInts,
    ratings: AnyFloats,
    step: np.float32,
    regularization: np.float32,
    bias_regularization: np.float32,
    user_regularization: AnyFloats,
    item_regularization: AnyFloats,
    implicit: bool,
    users: AnyFloats,
    items: AnyFloats,
    implicit_items: AnyFloats,
    user_biases: AnyFloats,
    item_biases: AnyFloats,
) -> None:
    """Run one epoch of the descent of `ratings/matrix_factorization.py` in place; `ratings` without their mean."""
    factors = items.shape[1]
    implicit_sum = np.zeros(factors, np.float32)
    slope = np.empty(factors, np.float32)
    for user in order:
        first, last = indptr[user], indptr[user + 1]
        if first == last:
            continue
        scale = np.float32(1 / np.sqrt(last - first))
        own = users[user]
        user_penalty = regularization * user_regularization[user]
        if implicit:
            implicit_sum[:] = 0
            slope[:] = 0
            for p in range(first, last):
                other = implicit_items[indices[p]]
                for position in range(factors):
                    implicit_sum[position] += scale * other[position]
        for p in range(first, last):
            item = indices[p]
            vector = items[item]
            product = np.float32(0)
            for position in range(factors):
                product += vector[position] * (own[position] + implicit_sum[position])
            error = ratings[p] - user_biases[user] - item_biases[item] - product
            user_biases[user] += step * (error - bias_regularization * user_regularization[user] * user_biases[user])
            item_biases[item] += step * (error - bias_regularization * item_regularization[item] * item_biases[item])
            item_penalty = regularization * item_regularization[item]
            for position in range(factors):
                q, user_value = vector[position], own[position]
                slope[position] += error * q
                own[position] = user_value + step * (error * q - user_penalty * user_value)
                vector[position] = q + step * (error * (user_value + implicit_sum[position]) - item_penalty * q)
        # The implicit vectors are updated once per user: per rating, each step would touch all of the user's items.
        if implicit:
            for p in range(first, last):
                item_penalty = regularization * item_regularization[indices[p]]
                other = implicit_items[indices[p]]
                for position in range(factors):
                    other[position] += step * (scale * slope[position] - item_penalty * other[position])


@compiled
def fold_in_users(
    indptr: AnyInts,
    indices: AnyInts,
    residuals: AnyFloats,
    items: AnyFloats,
    implicit_items: AnyFloats,
    ridges: AnyFloats,
    bias_ridges: AnyFloats,
    out: AnyFloats,
    out_biases: AnyFloats,
) -> None:
    """Solve each row's vector and bias by ridge regression of its residuals on (items, 1), beyond its implicit vectors' mean."""
    factors = items.shape[1]
    system = np.empty((factors + 1, factors + 1), np.float64)
    vector = np.empty(factors + 1, np.float64)
    implicit_sum = np.empty(factors, np.float64)
    for row in range(out.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            continue
        implicit_sum[:] = 0
        for p in range(first, last):
            for i in range(factors):
                implicit_sum[i] += implicit_items[indices[p], i]
        implicit_sum /= np.sqrt(last - first)
        system[:] = 0
        vector[:] = 0
        for p in range(first, last):
            item = items[indices[p]]
            residual = residuals[p]
            for i in range(factors):
                residual -= item[i] * implicit_sum[i]
            for i in range(factors):
                value = np.float64(item[i])
                vector[i] += residual * value
                system[factors, i] += value
                for j in range(i + 1):
                    system[i, j] += value * item[j]
            vector[factors] += residual
        # The last row and column belong to the bias, whose feature is 1 for every item.
        for i in range(factors):
            system[i, i] += ridges[row]
        system[factors, factors] = last - first + bias_ridges[row]
        factorize_cholesky(system)
        solve_cholesky(system, vector)
        for i in range(factors):
            out[row, i] = vector[i] + implicit_sum[i]
        out_biases[row] = vector[factors]


@compiled_reassociated
def draw_vectors(
    indptr: AnyInts,
    indices: AnyInts,
    targets: AnyFloats,
    features: AnyFloats,
    shifts: AnyFloats,
    precision: AnyFloats,
    noise: float,
    noises: AnyFloats,
    out: AnyFloats,
) -> None:
    """Return per row A⁻¹ (shift + noise Σ target f) + L⁻ᵀ noises with A = L Lᵀ = precision + noise Σ f fᵀ, f its features."""
    size = features.shape[1]
    system = np.empty((size, size), np.float64)
    vector = np.empty(size, np.float64)
    for row in range(out.shape[0]):
        system[:] = 0
        vector[:] = 0
        for p in range(indptr[row], indptr[row + 1]):
            feature = features[indices[p]]
            for i in range(size):
                vector[i] += targets[p] * feature[i]
                for j in range(i + 1):
                    system[i, j] += feature[i] * feature[j]
        for i in range(size):
            vector[i] = shifts[row, i] + noise * vector[i]
            for j in range(i + 1):
                system[i, j] = precision[i, j] + noise * system[i, j]
        factorize_cholesky(system)
        # Noise added between the two triangular solves gets the covariance A⁻¹ = L⁻ᵀ L⁻¹.
        solve_lower(system, vector)
        vector += noises[row]
        solve_upper(system, vector)
        out[row] = vector


@compiled
def add_implicit_links(indptr: AnyInts, indices: AnyInts, scales: AnyFloats, links: AnyFloats, out: AnyFloats) -> None:
    """Add scale · Σ links of its entries to each row."""
    for row in range(out.shape[0]):
        for p in range(indptr[row], indptr[row + 1]):
            for position in range(links.shape[1]):
                out[row, position] += scales[row] * links[indices[p], position]


@compiled_reassociated
def draw_implicit_links(
    indptr: AnyInts,
    indices: AnyInts,
    scales: AnyFloats,
    ridge: float,
    noises: AnyFloats,
    residuals: AnyFloats,
    links: AnyFloats,
) -> None:
    """Draw each link y_j from its conditional under residual_u = scale_u y_j + …, u the entries of row j; update `residuals`."""
    size = links.shape[1]
    total = np.empty(size, np.float64)
    for row in range(links.shape[0]):
        strength = 0.0
        total[:] = 0
        for p in range(indptr[row], indptr[row + 1]):
            scale = scales[indices[p]]
            strength += scale * scale
            for position in range(size):
                total[position] += scale * residuals[indices[p], position]
        for position in range(size):
            new_value = (total[position] + strength * links[row, position]) / (ridge + strength)
            new_value += noises[row, position] / np.sqrt(ridge + strength)
            total[position] = new_value - links[row, position]
            links[row, position] = new_value
        # The next link must see this draw, so the residuals are updated immediately, by the difference only.
        for p in range(indptr[row], indptr[row + 1]):
            scale = scales[indices[p]]
            for position in range(size):
                residuals[indices[p], position] -= scale * total[position]


@compiled_reassociated
def sum_squared_errors(
    indptr: AnyInts, indices: AnyInts, values: AnyFloats, users: AnyFloats, items: AnyFloats
) -> float:
    """Return Σ (value − p · q − b − c)² over all entries; vectors have the bias last."""
    total = 0.0
    last = users.shape[1] - 1
    for row in range(users.shape[0]):
        own = users[row]
        for p in range(indptr[row], indptr[row + 1]):
            other = items[indices[p]]
            predicted = own[last] + other[last]
            for position in range(last):
                predicted += own[position] * other[position]
            total += (values[p] - predicted) ** 2
    return total
