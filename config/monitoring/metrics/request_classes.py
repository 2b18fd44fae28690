"""The classes that requests are counted in: few, so that the number of time series stays small whatever clients ask for."""

OTHER = "other"
# first part of the path → class
FIRST_PARTS = {
    "v1": "collector",
    "admin": "back_office",
    "m": "message_links",
    "shop": "demo_shop",
    "static": "static",
    "health": "health",
    "metrics": "metrics",
    "anymail": "provider_feedback",
    "i18n": "back_office",
}
# second part of a path below /api/v1/ → class
API_PARTS = {"recommendations": "recommendations", "rank": "ranking", "search": "search", "privacy": "privacy"}
CLASSES = (*dict.fromkeys([*FIRST_PARTS.values(), *API_PARTS.values(), "api", OTHER]),)


def classify_path(path: str) -> str:
    """Return the class of a request by its path."""
    first, _slash, rest = path[1:].partition("/")
    if first != "api":
        return FIRST_PARTS.get(first, OTHER)
    _version, _slash, rest = rest.partition("/")
    return API_PARTS.get(rest.partition("/")[0], "api")
