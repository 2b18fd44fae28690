"""`lifetimes` on histories.npy (columns x, t_x, T) in a folder; run by benchmarks.clv and benchmarks.lifecycle.

    python clv_lifetimes.py FOLDER HORIZON [MODEL …]

Writes NAME.npy, the expected purchases within the horizon, and prints parameters and seconds of all models, or of the named ones.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np

FITTERS = {"bg_nbd": "BetaGeoFitter", "mbg_nbd": "ModifiedBetaGeoFitter", "pareto_nbd": "ParetoNBDFitter"}


def main() -> None:
    lifetimes = import_module("lifetimes")  # may be installed for this interpreter only
    folder, horizon = Path(sys.argv[1]), float(sys.argv[2])
    x, t_x, age = np.load(folder / "histories.npy").T
    results: dict[str, dict[str, object]] = {}
    for name in sys.argv[3:] or FITTERS:
        try:
            start = time.perf_counter()
            fitter = getattr(lifetimes, FITTERS[name])(penalizer_coef=0.0)
            fitter.fit(x, t_x, age)
            seconds = time.perf_counter() - start
            expected = fitter.conditional_expected_number_of_purchases_up_to_time(horizon, x, t_x, age)
            np.save(folder / f"{name}.npy", np.asarray(expected, np.float64))
            results[name] = {
                "parameters": {key: float(value) for key, value in fitter.params_.items()},
                "fit_s": seconds,
            }
        except Exception as error:  # noqa: BLE001 a peer that fails is a result too
            results[name] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
