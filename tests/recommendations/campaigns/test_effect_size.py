"""The minimum detectable effect."""

import pytest

from recommendations.campaigns.effect_size import compute_minimum_detectable_effect


def test_the_effect_of_a_known_case() -> None:
    # 1.959964 + 0.841621 = 2.801585; √(0.1 · 0.9 · (1/9000 + 1/1000)) = 0.01
    assert compute_minimum_detectable_effect(rate=0.1, treated=9000, held_out=1000) == pytest.approx(
        0.02801585, abs=1e-8
    )


def test_four_times_the_customers_halve_the_effect() -> None:
    small = compute_minimum_detectable_effect(rate=0.2, treated=500, held_out=500)
    large = compute_minimum_detectable_effect(rate=0.2, treated=2000, held_out=2000)
    assert small is not None
    assert large == pytest.approx(small / 2)


@pytest.mark.parametrize(("rate", "treated", "held_out"), [(0.1, 0, 5), (0.1, 5, 0), (0.0, 5, 5), (1.0, 5, 5)])
def test_effect_is_undefined_for_degenerate_input(rate: float, treated: int, held_out: int) -> None:
    assert compute_minimum_detectable_effect(rate=rate, treated=treated, held_out=held_out) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 1.5},
        {"rate": float("nan")},
        {"treated": -1},
        {"held_out": -1},
        {"alpha": 0},
        {"power": 1},
    ],
)
def test_invalid_input_is_rejected(wrong: dict[str, float]) -> None:
    arguments = {"rate": 0.1, "treated": 10, "held_out": 10, **wrong}
    with pytest.raises(ValueError, match=r"must"):
        compute_minimum_detectable_effect(**arguments)  # type: ignore[arg-type]
