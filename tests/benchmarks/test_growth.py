"""The arithmetic of benchmarks.growth and benchmarks.capacity, on costs that are known."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import engines, growth, large, truth
from benchmarks.capacity import (
    PARTS,
    MachineSize,
    ShopNumbers,
    assess_needs,
    compare_large_shop,
    compare_with_prediction,
    describe_limit,
    find_limit,
    parse_arguments,
    predict_needs,
)
from benchmarks.capacity_costs import FORMULAS, add_result, fit_costs, predict_cost, read_costs, write_costs
from benchmarks.capacity_docs import make_check_table
from benchmarks.growth import COSTS, STEPS, fit_exponent, list_steps, remove_slowness, summarize
from benchmarks.growth_charts import LANGUAGES, draw_growth
from benchmarks.machine_speed import SpeedSampler


def make_shop(factor: float, products: float = 500.0) -> dict[str, object]:
    """Return the measurements of a shop in which every figure is 3 + 2 × each of its sizes, but for units."""
    sizes = {
        "customers": 1_000 * factor,
        "products": products,
        "events": 40_000 * factor,
        "orders": 5_000 * factor,
        "interactions": 20_000 * factor,
        "live_events": 10_000 * factor,
        "emails": 250 * factor,
    }
    shop: dict[str, object] = {**sizes}
    for formula in FORMULAS.values():
        value = 3 + 2 * sum(sizes["orders" if name == "lines" else name] for name in formula.sizes)
        figures = shop.setdefault(formula.step, {})
        figures |= dict.fromkeys(formula.measures, 0.0) | {formula.measures[0]: value}  # type: ignore[operator]
    for cost in COSTS:
        figures = shop.setdefault(cost.step, {})
        figures.setdefault(cost.measure, 3 + 2 * sizes[cost.units])  # type: ignore[attr-defined]
    return shop


def test_exponent_is_that_of_a_power_law() -> None:
    sizes = [1, 2, 4, 8]
    assert fit_exponent(sizes, [5 * size**1.3 for size in sizes]) == pytest.approx(1.3)
    assert fit_exponent(sizes, [7, 7, 7, 7]) == pytest.approx(0)
    assert fit_exponent(sizes, [0, 1, 2, 3]) is None


def test_the_steps_of_a_cost_are_those_it_needs_in_their_order() -> None:
    assert list_steps(["serving"], with_sizes=False) == [
        "load_products", "load_customers", "load_orders", "import_events", "process_imported", "export", "fit", "serve",
    ]  # fmt: skip
    assert list_steps([cost.name for cost in COSTS], with_sizes=True) == list(STEPS)


@pytest.mark.parametrize(
    ("parse", "words", "problem"),
    [
        (growth.parse_arguments, ["--days", "5"], "--days 5 is not between 28 and 3,650"),
        (growth.parse_arguments, ["--days", "1000", "--costs", "x"], "--days 4000 is not between 28 and 3,650"),
        (growth.parse_arguments, ["--customers", "20000000"], "--customers 160000000 is not between 1 and"),
        (growth.parse_arguments, ["--seed", "4294967295"], "--seed 4294967296 is not between 0 and"),
        (large.parse_arguments, ["--products", "5"], "--products 5 is not between 20 and 1,000,000"),
        (large.parse_arguments, ["--seed", "-1"], "--seed -1 is not between 0 and"),
        (truth.parse_arguments, ["--customers", "0"], "--customers 0 is not between 1 and"),
        (engines.main, ["--size", "0"], "--size must be at least 1,000, got 0"),
        (engines.main, ["--size", "-4"], "--size must be at least 1,000, got -4"),
    ],
)
def test_a_shop_that_cannot_be_simulated_is_a_usage_error(
    parse: Callable[[list[str]], object], words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        parse(words)
    assert error.value.code == 2
    assert problem in capsys.readouterr().err


def test_the_help_names_costs_that_exist() -> None:
    [named] = re.findall(r"--only ([a-z_ ]+) …", growth.__doc__ or "")
    assert set(named.split()) <= set(growth.NAMES)


def test_exponents_and_charts_of_linear_costs() -> None:
    shops = [make_shop(factor) for factor in (1, 2, 4, 8)]
    line = summarize([cost.name for cost in COSTS], make_shop(0.2), shops)
    assert line["import_events_net_exponent"] == pytest.approx(1, abs=0.1)
    assert line["worst_batch_exponent"] <= 1.01
    for texts in LANGUAGES.values():
        assert draw_growth(line["costs"], texts).count("<circle") == 5 * len(COSTS)


def test_costs_are_divided_by_the_slowness_of_the_machine_at_their_time() -> None:
    sampler = SpeedSampler()
    sampler.samples = [(float(second), 0.02 if 10 <= second < 14 else 0.01) for second in range(30)]
    slow = {"total_cpu_s": 8.0, "seconds": 4.0, "began_at": 10.0, "ended_at": 13.9}
    usual = {"total_cpu_s": 4.0, "seconds": 4.0, "began_at": 20.1, "ended_at": 20.2}  # between two samples
    shop = {"refresh": slow, "serve": {"cpu_us": 100, "began_at": 40.0, "ended_at": 41.0}, "export": usual}
    remove_slowness(shop, sampler)
    assert shop == {
        "refresh": {"total_cpu_s": 4.0, "seconds": 4.0, "slowness": 2.0},
        "serve": {"cpu_us": 100.0, "slowness": 1.0},
        "export": {"total_cpu_s": 4.0, "seconds": 4.0, "slowness": 1.0},
    }
    assert SpeedSampler().compute_slowness(0, 1) == 1
    assert sampler.compute_usual_seconds() == 0.01
    compared = {"refresh": {"total_cpu_s": 8.0, "began_at": 20.0, "ended_at": 22.0}}  # with a machine twice as fast
    remove_slowness(compared, sampler, 0.005)
    assert compared == {"refresh": {"total_cpu_s": 4.0, "slowness": 2.0}}


def test_the_speed_of_the_machine_is_sampled_until_the_end() -> None:
    with SpeedSampler() as sampler:
        while len(sampler.samples) < 2:
            sampler._stop.wait(0.05)
    assert not sampler._thread.is_alive()
    assert all(seconds > 0 for _at, seconds in sampler.samples)


def test_fitted_costs_predict_shops_of_other_sizes() -> None:
    shops = [make_shop(1), make_shop(2), make_shop(4), make_shop(1, products=2_000), make_shop(2, products=8_000)]
    fitted = fit_costs(shops)
    costs = {"costs": fitted, "date": "", "machine": ""}
    assert predict_cost(fitted["training_mb"], {"interactions": 1e6, "products": 1e4}) == pytest.approx(
        2_020_003, rel=0.01
    )
    assert compare_with_prediction(costs, [make_shop(16, products=3_000)])["worst_error"] < 0.01


def test_costs_are_also_fitted_to_shops_in_which_only_some_steps_were_measured(tmp_path: Path) -> None:
    shops = [make_shop(factor) for factor in (1, 2, 4)]
    refreshed = {"customers": 60_000, "events": 0, "orders": 1, "refresh": {"peak_mb": 3 + 5 * 60_000}}
    assert fit_costs([*shops, refreshed])["refresh_mb"]["customers"] > fit_costs(shops)["refresh_mb"]["customers"]
    path = tmp_path / "costs.json"
    write_costs(path, shops, {})
    figures = {"peak_mb": 9e6, "total_cpu_s": 9e6}
    stages = {"export": figures, "refresh": figures, "fit": {**figures, "interactions": 1_000_000}}
    sizes = {"customers": 50_000, "products": 2_000, "events": 1_000_000, "lines": 100_000}
    add_result(path, "large", {**sizes, "stages": stages})
    content = read_costs(path)
    assert content["costs"]["training_mb"]["interactions"] > fit_costs(shops)["training_mb"]["interactions"]
    assert len(content["shops"]) == 3
    write_costs(path, shops, {})  # measured again: the large shop is kept
    again = read_costs(path)
    assert (again["large"], again["costs"]) == (content["large"], content["costs"])


def test_the_cores_of_postgresql_and_valkey_include_recommendations() -> None:
    costs = fit_costs([make_shop(factor) for factor in (1, 2, 4)])
    costs["request_valkey_cpu_us"] = {"fixed": 500.0}
    shop = ShopNumbers.of_customers(100_000)
    busy, quiet = (
        predict_needs(costs, replace(shop, requests_per_day=requests), None)["postgres_cores"]
        for requests in (86_400 * 100, 0)
    )
    assert busy - quiet == pytest.approx(100 * shop.peak * 500 / 1e6)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--customers", "9", "--cores", "0"], "--cores must be above 0"),
        (["--customers", "9", "--memory-gb", "0"], "--memory-gb must be above 0"),
        (["--table", "--disk-gb", "-1"], "--disk-gb must be above 0 and at most 1,000,000,000,000, got -1"),
        (["--customers", "9", "--interactions-per-event", "-3"], "--interactions-per-event must be between 0 and"),
        (["--customers", "-1"], "--customers must be between 0 and"),
        ([], "--customers is missing"),
        (["--docs", "/nonexistent"], "--docs /nonexistent does not contain capacity.md"),
    ],
)
def test_impossible_arguments_are_refused(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(words)
    assert problem in capsys.readouterr().err
    assert parse_arguments(["--customers", "0"]).customers == 0


@pytest.mark.parametrize("content", ["# Perennial\n", "[]", "{}"])
def test_another_file_than_one_of_costs_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(content)
    with pytest.raises(SystemExit, match=r"README\.md is not a file of costs"):
        read_costs(tmp_path / "README.md")
    with pytest.raises(SystemExit, match="Is a directory"):
        read_costs(tmp_path)


def test_a_machine_that_is_too_small_for_any_shop_is_named_so() -> None:
    costs = fit_costs([make_shop(factor) for factor in (1, 2, 4)])
    [web] = [part for part in PARTS if part.name == "web"]
    limit = find_limit(costs, web, MachineSize(cores=1, memory_gb=0.001, disk_gb=1))
    assert (describe_limit(limit), describe_limit(limit, 1)) == ("already too small", "已经不够用")
    assert describe_limit(None) == "never, up to 10⁹ customers"
    assert describe_limit(2_500.0) == "2,500 customers"


def test_the_limits_are_those_of_the_documentation() -> None:
    needs = predict_needs(fit_costs([make_shop(1), make_shop(2)]), ShopNumbers.of_customers(1_000), None)
    hours = {"refresh_hours": 2.0, "training_hours": 3.0, "export_hours": 0.5, "night_hours": 5.5}
    assert needs["night_hours"] == pytest.approx(sum(needs[name] for name in list(hours)[:3]))
    rates = {"peak_events_per_s": 60.0, "processing_events_per_s": 100.0}
    shares = assess_needs({**needs, **hours, **rates}, MachineSize(cores=10**9, memory_gb=1e9, disk_gb=1e9))
    parts = shares["share_of_one_machine"]
    assert [parts[name] for name in ("processing", "refresh", "training", "night")] == [1.0, 0.333, 0.5, 0.917]


def test_the_import_of_a_history_includes_its_customers() -> None:
    costs = fit_costs([make_shop(factor) for factor in (1, 2, 4)])
    dear = {**costs, "load_customers_app_cpu_s": {"fixed": 0.0, "customers": 1.0}}
    shop = ShopNumbers.of_customers(36_000)
    cheap_hours, dear_hours = (predict_needs(each, shop, None)["import_hours"] for each in (costs, dear))
    assert dear_hours > cheap_hours - predict_cost(costs["load_customers_app_cpu_s"], {"customers": 36_000}) / 3600 + 9


def test_the_large_shop_counts_among_the_errors_of_the_prediction() -> None:
    shops = [make_shop(factor) for factor in (1, 2, 4)]
    costs = {"costs": fit_costs(shops), "date": "", "machine": ""}
    check = compare_with_prediction(costs, [make_shop(8)])
    assert compare_large_shop(costs) == {}
    large = make_shop(50)
    stages = {
        "load": {"total_cpu_s": 1.0},
        **{step: large[step] for step in ("export", "refresh", "fit", "serve", "sizes")},
    }
    stages["fit"]["interactions"] = large["interactions"]  # type: ignore[index]
    sizes = {name: large[name] for name in ("customers", "products", "events")}
    saved = {**costs, "check": check, "large": {**sizes, "lines": large["orders"], "stages": stages}}
    errors = {name: figures["error"] for name, figures in compare_large_shop(saved).items()}
    assert errors.pop("import_cpu_s") > 1  # the import is cheaper than predicted
    assert all(abs(error) < 0.01 for error in errors.values())
    assert "Largest error: 0%" in make_check_table({**costs, "check": check}, 0)
    table = make_check_table(saved, 0)
    assert "| 50,000 | CPU seconds of the import |" in table
    assert "Largest error: 0%" not in table


def test_needs_grow_with_the_shop_until_one_machine_is_full() -> None:
    costs, machine = (
        fit_costs([make_shop(factor) for factor in (1, 2, 4)]),
        MachineSize(cores=10**9, memory_gb=1e9, disk_gb=1e9),
    )
    assert set(costs) == {*FORMULAS, "interactions_per_event"}
    small, large = (predict_needs(costs, ShopNumbers.of_customers(customers), None) for customers in (1e5, 1e6))
    assert all(large[name] >= small[name] for name in small)
    for part in PARTS:
        limit = find_limit(costs, part, machine)
        if limit:
            needs = predict_needs(costs, ShopNumbers.of_customers(limit), None)
            assert part.get_share(needs, machine) == pytest.approx(1, abs=0.1)
