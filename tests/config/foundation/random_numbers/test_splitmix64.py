import numpy as np

from config.foundation.random_numbers.splitmix64 import GOLDEN, mix_bits, scale_to_unit
from recommendations.engine.linear_algebra.formula_kernels import mix_number


def test_numbers_are_those_of_the_published_generator():
    # the first three numbers for seed 0 in Vigna's splitmix64.c, whose state grows by the golden gamma
    states = np.arange(1, 4, dtype=np.uint64) * GOLDEN
    numbers = mix_bits(states)
    assert numbers.tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(mix_number(state)) for state in states] == numbers.tolist(), "compiled for single numbers"


def test_the_unit_interval_excludes_1():
    assert scale_to_unit(np.array([0, 2**63, 2**64 - 1], np.uint64)).tolist() == [0.0, 0.5, 1 - 2.0**-53]
