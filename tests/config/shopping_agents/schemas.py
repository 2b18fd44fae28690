"""The parts of the published JSON Schemas that our documents use, written down as facts.

ACP: spec/2026-04-17/json-schema/schema.feed.json of github.com/agentic-commerce-protocol/agentic-commerce-protocol. UCP: source/schemas of
the tag v2026-04-08 of github.com/Universal-Commerce-Protocol/ucp.
"""

from typing import Any

type Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
URI: Schema = {"type": "string", "format": "uri", "pattern": r"^https?://[^\s]+$"}
DATE_VERSION: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


def obj(properties: Schema, *required: str, closed: bool = False) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": not closed}


def array(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


PRICE = obj(
    {"amount": {"type": "integer", "minimum": 0}, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}},
    "amount", "currency", closed=True,
)  # fmt: skip
DESCRIPTION = {**obj({"plain": TEXT, "html": TEXT, "markdown": TEXT}, closed=True), "minProperties": 1}
AVAILABILITY = obj({"available": {"type": "boolean"}, "status": TEXT}, closed=True)
MEDIA = obj({"type": TEXT, "url": URI, "alt_text": TEXT}, "type", "url", closed=True)
CATEGORY = obj({"value": TEXT, "taxonomy": TEXT}, "value", closed=True)
BARCODE = obj({"type": TEXT, "value": TEXT}, "type", "value", closed=True)
SELLER = obj({"name": TEXT, "links": array(obj({"type": TEXT, "title": TEXT, "url": URI}, "type", "url"))}, closed=True)

ACP_VARIANT = obj(
    {
        "id": TEXT,
        "title": TEXT,
        "description": DESCRIPTION,
        "url": URI,
        "barcodes": array(BARCODE),
        "price": PRICE,
        "list_price": PRICE,
        "availability": AVAILABILITY,
        "categories": array(CATEGORY),
        "condition": array(TEXT),
        "variant_options": array(obj({"name": TEXT, "value": TEXT}, "name", "value", closed=True)),
        "media": array(MEDIA),
        "seller": SELLER,
        "marketplace": SELLER,
    },
    "id", "title", closed=True,
)  # fmt: skip
ACP_PRODUCT = obj(
    {
        "id": TEXT,
        "title": TEXT,
        "description": DESCRIPTION,
        "url": URI,
        "media": array(MEDIA),
        "variants": array(ACP_VARIANT),
    },
    "id", "variants", closed=True,
)  # fmt: skip
ACP_METADATA = obj(
    {
        "id": TEXT,
        "target_country": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "updated_at": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"},
    },
    "id", closed=True,
)  # fmt: skip

UCP_VARIANT = obj(
    {
        "id": TEXT,
        "sku": TEXT,
        "barcodes": array(BARCODE),
        "title": TEXT,
        "description": DESCRIPTION,
        "url": URI,
        "categories": array(CATEGORY),
        "price": PRICE,
        "availability": AVAILABILITY,
        "options": array(obj({"name": TEXT, "id": TEXT, "label": TEXT}, "name", "label")),
        "media": array(MEDIA),
        "seller": SELLER,
        "inputs": array(obj({"id": TEXT, "match": {"enum": ["exact", "featured"]}}, "id"), 1),
    },
    "id", "title", "description", "price", closed=True,
)  # fmt: skip
OPTION_VALUE = obj(
    {"label": TEXT, "available": {"type": "boolean"}, "exists": {"type": "boolean"}}, "label", closed=True
)
UCP_PRODUCT = obj(
    {
        "id": TEXT,
        "title": TEXT,
        "description": DESCRIPTION,
        "url": URI,
        "categories": array(CATEGORY),
        "price_range": obj({"min": PRICE, "max": PRICE}, "min", "max"),
        "media": array(MEDIA),
        "options": array(obj({"name": TEXT, "values": array(OPTION_VALUE, 1)}, "name", "values")),
        "selected": array(obj({"name": TEXT, "label": TEXT}, "name", "label")),
        "variants": array(UCP_VARIANT, 1),
        "rating": obj(
            {"value": {"type": "number"}, "scale_min": {}, "scale_max": {"minimum": 1}, "count": {"type": "integer"}},
            "value", "scale_max",
        ),
        "tags": array(TEXT),
    },
    "id", "title", "description", "price_range", "variants", closed=True,
)  # fmt: skip
ENTITY = obj({"version": DATE_VERSION, "spec": URI, "schema": URI}, "version")
UCP_RESPONSE = obj(
    {
        "version": DATE_VERSION,
        "status": {"enum": ["success", "error"]},
        "capabilities": {"type": "object", "additionalProperties": array(ENTITY)},
    },
    "version",
)
MESSAGE = obj(
    {
        "type": {"enum": ["error", "warning", "info"]},
        "code": TEXT,
        "content": TEXT,
        "path": TEXT,
        "severity": {"enum": ["recoverable", "requires_buyer_input", "requires_buyer_review", "unrecoverable"]},
    },
    "type", "content",
)  # fmt: skip
PAGINATION = {
    **obj({"cursor": TEXT, "has_next_page": {"type": "boolean"}, "total_count": {"minimum": 0}}, "has_next_page"),
    "if": {"properties": {"has_next_page": {"const": True}}},
    "then": {"required": ["cursor"]},
}
UCP_SEARCH = obj(
    {"ucp": UCP_RESPONSE, "products": array(UCP_PRODUCT), "pagination": PAGINATION, "messages": array(MESSAGE)},
    "ucp", "products",
)  # fmt: skip
UCP_LOOKUP = obj(
    {
        "ucp": UCP_RESPONSE,
        "products": array(
            {"allOf": [UCP_PRODUCT, {"properties": {"variants": array({"type": "object", "required": ["inputs"]})}}]}
        ),
        "messages": array(MESSAGE),
    },
    "ucp", "products",
)  # fmt: skip
UCP_GET_PRODUCT = obj({"ucp": UCP_RESPONSE, "product": UCP_PRODUCT, "messages": array(MESSAGE)}, "ucp", "product")
UCP_ERROR = obj({"ucp": UCP_RESPONSE, "messages": array(MESSAGE, 1)}, "ucp", "messages")
REVERSE_DOMAIN: Schema = {"propertyNames": {"pattern": r"^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)+$"}}
SERVICE = {
    "allOf": [
        ENTITY,
        obj({"transport": {"enum": ["rest", "mcp", "a2a", "embedded"]}, "endpoint": URI}, "transport", "endpoint"),
    ]
}
UCP_PROFILE = obj(
    {
        "ucp": obj(
            {
                "version": DATE_VERSION,
                "services": {"type": "object", **REVERSE_DOMAIN, "additionalProperties": array(SERVICE)},
                "capabilities": {"type": "object", **REVERSE_DOMAIN, "additionalProperties": array(ENTITY)},
                "payment_handlers": {"type": "object"},
            },
            "version", "services", "payment_handlers",
        )
    },
    "ucp",
)  # fmt: skip
