"""Public holidays by country."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt


def list_holidays(country: str, first_year: int, last_year: int) -> npt.NDArray[np.datetime64]:
    """Return the public holidays of a country by the package holidays, ascending; empty for an unknown or empty country."""
    return np.array(_find_holidays(country.upper(), first_year, last_year), dtype="datetime64[D]")


@lru_cache(maxsize=64)
def _find_holidays(country: str, first_year: int, last_year: int) -> tuple[np.datetime64, ...]:
    if not country:
        return ()
    import holidays

    if country not in holidays.list_supported_countries():
        return ()
    found = holidays.country_holidays(country, years=range(first_year, last_year + 1))
    return tuple(np.datetime64(day, "D") for day in sorted(found))
