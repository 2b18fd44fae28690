"""What can go wrong in a call; all are a `PerennialError`."""

from __future__ import annotations

from typing import Any


class PerennialError(Exception):
    """A call that failed."""


class InvalidParameterError(PerennialError):
    """A parameter that cannot be part of a URL."""


class ConnectionFailedError(PerennialError):
    """The server cannot be reached, or did not answer in time."""


class UnexpectedAnswerError(PerennialError):
    """The answer is not what the document describes; usually a proxy answered instead of the server."""


class ApiError(PerennialError):
    """The server refused the request.

    Attributes:
        status: the HTTP status.
        problem: the problem details of RFC 9457, with every invalid field in ``errors``; empty if the body was something else.
        retry_after: seconds to wait before the next attempt, if the server named them.
    """

    def __init__(self, status: int, problem: dict[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'no details'}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after
