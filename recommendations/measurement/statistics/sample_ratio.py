"""The sample-ratio check: whether chance alone explains the sizes of the groups."""

from collections.abc import Sequence

from scipy.special import chdtrc

SMALL_GROUP = 5  # expected customers below which χ² is not exact enough
SUSPICIOUS = 0.001  # below this p-value, something other than chance decided, and the result must not be used


def compute_sample_ratio_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the p-value of the sizes of groups that should have these shares; 1 if nothing can be compared.

    Pearson's χ² test, Σ(n − e)²/e with one degree of freedom less than groups; for two groups with fewer than SMALL_GROUP expected in
    one, the exact binomial test. Shares need not add up to 1.
    """
    pairs = [(count, share) for count, share in zip(counts, shares, strict=True) if share > 0]
    total, whole = sum(count for count, _share in pairs), sum(share for _count, share in pairs)
    if not total or len(pairs) < 2:
        return 1.0
    expected = [total * share / whole for _count, share in pairs]
    if len(pairs) == 2 and min(expected) < SMALL_GROUP:
        from scipy.stats import binomtest  # its import takes a second

        return float(binomtest(pairs[0][0], total, pairs[0][1] / whole).pvalue)
    statistic = sum((count - mean) ** 2 / mean for (count, _share), mean in zip(pairs, expected, strict=True))
    return float(chdtrc(len(pairs) - 1, statistic))
