"""Keys of campaigns that are created without one."""

from recommendations.campaigns.models import Campaign


def find_free_key(base: str) -> str:
    """Return the key, or the key with the first number that makes it unique."""
    taken = set(Campaign.objects.filter(key__startswith=base).values_list("key", flat=True))
    return next(key for key in (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3))) if key not in taken)
