"""What the merchandiser says of a search, as far as search knows of it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Rules(Protocol):
    """By rows of the catalogue; see `recommendations.merchandising`. pins: (position from 1, row)."""

    @property
    def allowed(self) -> npt.NDArray[np.bool_] | None: ...
    @property
    def factors(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def pins(self) -> Sequence[tuple[int, int]]: ...
