"""The discovery document of UCP, version 2026-04-08 (`/.well-known/ucp`): it names only what this server answers.

https://github.com/Universal-Commerce-Protocol/ucp, tag v2026-04-08: source/schemas/ucp.json (business_schema) and
docs/specification/catalog/rest.md. There is no checkout, cart, order or payment capability: the shop itself takes orders.
"""

from typing import Any

from django.conf import settings

VERSION = "2026-04-08"
SERVICE = "dev.ucp.shopping"
SEARCH, LOOKUP = "dev.ucp.shopping.catalog.search", "dev.ucp.shopping.catalog.lookup"
SPECIFICATION = f"https://ucp.dev/{VERSION}"
CAPABILITIES = {SEARCH: "catalog/search", LOOKUP: "catalog/lookup"}


def build_profile() -> dict[str, Any]:
    """Return the business profile."""
    return {
        "ucp": {
            "version": VERSION,
            "services": {
                SERVICE: [
                    {
                        "version": VERSION,
                        "spec": f"{SPECIFICATION}/specification/overview",
                        "transport": "rest",
                        "schema": f"{SPECIFICATION}/services/shopping/rest.openapi.json",
                        "endpoint": f"{settings.PUBLIC_URL}/ucp",
                    }
                ]
            },
            "capabilities": {
                name: [
                    {
                        "version": VERSION,
                        "spec": f"{SPECIFICATION}/specification/{page}",
                        "schema": f"{SPECIFICATION}/schemas/shopping/{page.replace('/', '_')}.json",
                    }
                ]
                for name, page in CAPABILITIES.items()
            },
            "payment_handlers": {},
        }
    }


def build_envelope(capability: str, *, status: str = "success") -> dict[str, Any]:
    """Return the `ucp` member of a response."""
    return {"version": VERSION, "status": status, "capabilities": {capability: [{"version": VERSION}]}}
