"""What search takes from the rest of serving: who looks, what the merchandiser says, which model is in use.

None of it has to be there. `recommendations.serving` sets these when it starts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recommendations.serving.search.parsing import SearchRequest
from recommendations.serving.search.shelf import Shelf

type Scores = Callable[[npt.NDArray[np.int32]], npt.NDArray[np.float32]]  # rows of the shelf → 0…1, 0: nothing known


class Rules(Protocol):
    """What the merchandiser says, by rows of the shelf; see `recommendations.merchandising`. pins: (position from 1, row)."""

    @property
    def allowed(self) -> npt.NDArray[np.bool_] | None: ...
    @property
    def factors(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def pins(self) -> Sequence[tuple[int, int]]: ...


@dataclass
class Surroundings:
    """person_scores: how much whoever asks wants a product; popularity: how much everybody does."""

    person_scores: Callable[[SearchRequest, datetime, Shelf], Scores | None] = lambda _request, _now, _shelf: None
    popularity: Callable[[Shelf], Scores | None] = lambda _shelf: None
    rules: Callable[[SearchRequest, datetime, Shelf], Rules | None] = lambda _request, _now, _shelf: None
    model_version: Callable[[], str] = lambda: ""


surroundings = Surroundings()
