"""Answers the catalog queries of UCP: search, lookup of several IDs, and one product with its options."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from config.foundation.shop.profile import get_shop
from config.shopping_agents.catalog_products import CatalogProduct, CatalogVariant, ProductReader
from config.shopping_agents.models import AgentFeedSettings
from config.shopping_agents.product_documents import (
    build_ucp_product,
    format_option,
    get_decimals,
    list_option_names,
    read_options,
)
from config.shopping_agents.ucp.profile import LOOKUP, SEARCH, build_envelope
from config.shopping_agents.ucp.requests import (
    MAX_LIMIT,
    CatalogFilters,
    CatalogLookupBody,
    CatalogProductBody,
    CatalogSearchBody,
    convert_amount,
)
from customers.feedback.reviews import summarize_ratings
from recommendations.serving.expressions.parsing import parse_filter
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.visitor_search import run_search

MAX_DETAIL_VARIANTS = 50

type Json = dict[str, Any]


def search_catalog(body: CatalogSearchBody, *, feed_settings: AgentFeedSettings, now: datetime) -> Json:
    """Return the products that match a query, best first, with the matching variant first.

    Nothing is recorded: an agent's search is neither an impression nor a search of a person.

    Raises:
        InvalidSearchError: the cursor does not belong to this search.
        SearchNotReadyError: this process is still reading the products.
    """
    shop = get_shop()
    price = body.filters.price if not body.context.currency or body.context.currency == shop.currency else None
    decimals = get_decimals(shop.currency)
    categories = body.filters.categories
    condition = {"field": "category", "op": "in", "value": categories} if len(categories) > 1 else None
    page = run_search(
        SearchRequest(
            q=body.query,
            category=categories[0] if len(categories) == 1 else "",
            filter=parse_filter(condition) if condition else None,
            price_min=convert_amount(price.min, decimals) if price else None,
            price_max=convert_amount(price.max, decimals) if price else None,
            in_stock=not feed_settings.includes_sold_out,
            n=min(body.pagination.limit, MAX_LIMIT),
            cursor=body.pagination.cursor,
            personalised=False,
            facets=False,
            strict=True,
            distinct=True,
            language=body.context.language,
            is_browser=True,
            is_agent=True,
        ),
        now=now,
    )
    ids = [page.snapshot.catalog.product_ids[hit.row] for hit in page.hits]
    by_variant = {
        variant.product_id: product
        for product in ProductReader(feed_settings, now).read(ids)
        for variant in product.variants
    }
    matched = {by_variant[each].id: (by_variant[each], each) for each in reversed(ids) if each in by_variant}
    products = list(reversed(matched.values()))
    ratings = read_ratings(product for product, _variant in products)
    # without the optional total_count: the index also counts products that are not published, such as those without a page
    pagination: Json = {"has_next_page": page.next_cursor is not None}
    if page.next_cursor is not None:
        pagination["cursor"] = page.next_cursor
    result: Json = {
        "ucp": build_envelope(SEARCH),
        "products": [
            build_product(product, [find_variant(product, variant)], ratings) for product, variant in products
        ],
        "pagination": pagination,
    }
    if body.filters.price is not None and price is None:
        text = f"The price filter is in {body.context.currency} and was ignored; the prices of this shop are in {shop.currency}."
        result["messages"] = [{"type": "warning", "code": "filter_ignored", "path": "$.filters.price", "content": text}]
    return result


def look_up(body: CatalogLookupBody, *, feed_settings: AgentFeedSettings, now: datetime) -> Json:
    """Return the products of IDs of products or variants; unknown ones are named in a message."""
    ids = list(dict.fromkeys(body.ids))
    products = ProductReader(feed_settings, now).read(ids)
    ratings = read_ratings(products)
    found: set[str] = set()
    documents = []
    for product in products:
        inputs = list_inputs(product, ids)
        variants = [
            variant for variant in product.variants if variant.product_id in inputs and is_within(variant, body.filters)
        ]
        found |= {each["id"] for entries in inputs.values() for each in entries}
        if variants:
            document = build_product(product, variants, ratings)
            for variant in document["variants"]:
                variant["inputs"] = inputs[variant["id"]]
            documents.append(document)
    result: Json = {"ucp": build_envelope(LOOKUP), "products": documents}
    if missing := [each for each in ids if each not in found]:
        result["messages"] = [{"type": "info", "code": "not_found", "content": each} for each in missing]
    return result


def list_inputs(product: CatalogProduct, ids: Iterable[str]) -> dict[str, list[Json]]:
    """Return the requested IDs by the variant that they resolve to: exactly, or as the variant that represents the product."""
    variants = {variant.product_id for variant in product.variants}
    inputs: dict[str, list[Json]] = {}
    for each in ids:
        if each in variants and (each != product.id or len(variants) == 1):
            inputs.setdefault(each, []).append({"id": each, "match": "exact"})
        elif each == product.id:
            inputs.setdefault(product.featured.product_id, []).append({"id": each, "match": "featured"})
    return inputs


def get_product(body: CatalogProductBody, *, feed_settings: AgentFeedSettings, now: datetime) -> Json:
    """Return one product with the variants of the chosen options; an unknown ID is an application error, as UCP requires."""
    products = ProductReader(feed_settings, now).read([body.id])
    if not products:
        message = f"There is no product or variant {body.id!r}; search the catalog for its ID."
        return {
            "ucp": build_envelope(LOOKUP, status="error"),
            "messages": [{"type": "error", "code": "not_found", "content": message, "severity": "unrecoverable"}],
        }
    product = products[0]
    exact = next((variant for variant in product.variants if variant.product_id == body.id), None)
    names = list_option_names(product)
    if exact is not None and body.id != product.id:
        selected = dict(read_options(exact, names))
    else:
        wanted = {option.name: option.label for option in body.selected if option.name in names}
        selected = relax(product, wanted, body.preferences) or dict(read_options(product.featured, names))
    first = exact or product.featured
    matching = [variant for variant in product.variants if fits(variant, selected) and is_within(variant, body.filters)]
    ordered = sorted(matching, key=lambda variant: (variant.product_id != first.product_id, variant.is_sold_out))
    document = build_product(product, ordered[:MAX_DETAIL_VARIANTS] or [first], read_ratings([product]))
    if names:
        document["selected"] = [{"name": name, "label": label} for name, label in selected.items()]
        for option in document["options"]:
            for value in option["values"]:
                value |= describe_value(product, {**selected, option["name"]: value["label"]})
    return {"ucp": build_envelope(LOOKUP), "product": document}


def relax(product: CatalogProduct, wanted: dict[str, str], preferences: Sequence[str]) -> dict[str, str]:
    """Return the choices that some variant has: the last of the preferences is given up first, then whatever else was chosen."""
    order = [*(name for name in wanted if name not in preferences), *reversed(preferences)]
    remaining = dict(wanted)
    for name in order:
        if any(fits(variant, remaining) for variant in product.variants):
            break
        remaining.pop(name, None)
    return remaining


def describe_value(product: CatalogProduct, choices: dict[str, str]) -> Json:
    """Return whether a variant with these choices exists, and whether it can be bought."""
    variants = [variant for variant in product.variants if fits(variant, choices)]
    return {"available": any(not variant.is_sold_out for variant in variants), "exists": bool(variants)}


def fits(variant: CatalogVariant, choices: dict[str, str]) -> bool:
    return all(format_option(variant.attributes.get(name)) == label for name, label in choices.items())


def is_within(variant: CatalogVariant, filters: CatalogFilters) -> bool:
    """Return whether a variant matches the filters of a lookup; categories include those below them."""
    if filters.categories and not any(
        variant.category == path or (variant.category or "").startswith(f"{path} > ") for path in filters.categories
    ):
        return False
    if filters.price is None or variant.price is None:
        return True
    decimals = get_decimals(variant.currency)
    low, high = convert_amount(filters.price.min, decimals), convert_amount(filters.price.max, decimals)
    return (low is None or variant.price >= low) and (high is None or variant.price <= high)


def find_variant(product: CatalogProduct, product_id: str) -> CatalogVariant:
    return next(variant for variant in product.variants if variant.product_id == product_id)


def build_product(product: CatalogProduct, variants: list[CatalogVariant], ratings: dict[str, Any]) -> Json:
    featured = product.featured.product_id
    return build_ucp_product(product, seller=get_shop().name, variants=variants, rating=ratings.get(featured))


def read_ratings(products: Iterable[CatalogProduct]) -> dict[str, Any]:
    """Return the ratings of the variants that represent the products."""
    return dict(summarize_ratings(product_ids=[product.featured.product_id for product in products]))
