"""The interface of merchandising rules as search uses them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt


class SearchRules(Protocol):
    """Rules by catalog row; see `recommendations.merchandising`. pins: (position from 1, row)."""

    @property
    def allowed(self) -> npt.NDArray[np.bool_] | None: ...
    @property
    def factors(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def pins(self) -> Sequence[tuple[int, int]]: ...
