"""Shared formulas of `config/foundation/`, compiled for the kernels that call them with single numbers."""

from config.foundation.random_numbers.splitmix64 import mix_bits
from config.foundation.statistics import limit_share
from recommendations.engine.linear_algebra.jit import inlined

mix_number = inlined(mix_bits)
limit_single_share = inlined(limit_share)
