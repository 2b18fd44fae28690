"""The time that each step of a refresh took."""

import time


class StepTimer(dict[str, float]):
    """Wall-clock seconds by the name of a step; a step lasts from the end of the one before it."""

    def __init__(self) -> None:
        super().__init__()
        self._since = time.monotonic()

    def record(self, step: str) -> None:
        now = time.monotonic()
        self[step] = round(now - self._since, 3)
        self._since = now
