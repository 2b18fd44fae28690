"""What a person can allow a connected program: less than, or as much as, the person may do."""

from customers.identity.personal_data.masking import PERSONAL_SCOPE

# the setting OAUTH2_PROVIDER has their texts
READ, DRAFT, PERSONAL = "assistant:read", "assistant:draft", "assistant:personal"
# the permissions of REST that drafts need
DRAFTED = frozenset({"segments:write", "campaigns:write", "flows:write", "recommendations:write"})


def limit_scopes(held: frozenset[str], granted: frozenset[str]) -> frozenset[str]:
    """Return the permissions of REST that a program has: those that the person holds and has allowed."""
    allowed = {scope for scope in held if READ in granted and scope.endswith(":read")}
    if DRAFT in granted:
        allowed |= held & DRAFTED
    if PERSONAL in granted:
        allowed |= held & {PERSONAL_SCOPE}
    return frozenset(allowed)
