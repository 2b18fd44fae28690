"""URLs are mapped to events; errors in mapping files name the entry and the fix."""

from pathlib import Path
from typing import Any

import pytest

from customers.events.imports.url_mapping import (
    MappedEvent,
    UrlMapping,
    UrlMappingError,
    load_builtin_mapping,
    parse_mapping,
    read_builtin_mapping,
    read_mapping,
)


def build_mapping(*paths: str, extra: str = "") -> UrlMapping:
    events = "".join(
        f'[[events]]\npath = "{path}"\nevent = "E{number}"\n{extra}\n' for number, path in enumerate(paths)
    )
    return parse_mapping(events, is_json=False)


def find_properties(mapping: UrlMapping, target: str) -> dict[str, Any] | None:
    event = mapping.find(method="GET", target=target, status=200)
    return None if event is None else {"": event.name, **event.properties}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", MappedEvent("page", "Home", {})),
        ("/?utm_source=mail", MappedEvent("page", "Home", {})),
        ("/?s=green+tea", MappedEvent("track", "Products Searched", {"query": "green tea"})),
        ("/product/blue-kettle/", MappedEvent("track", "Product Viewed", {"product_id": "blue-kettle"})),
        ("/products/%E8%8C%B6?variant=3", MappedEvent("track", "Product Viewed", {"product_id": "茶"})),
        ("/collections/tea/products/12", MappedEvent("track", "Product Viewed", {"product_id": "12"})),
        ("/collections/tea", MappedEvent("track", "Product List Viewed", {"category": "tea"})),
        ("/c/tea/green", MappedEvent("track", "Product List Viewed", {"category": "tea/green"})),
        ("/search?q=tea&page=2", MappedEvent("track", "Products Searched", {"query": "tea"})),
        ("/cart", MappedEvent("track", "Cart Viewed", {})),
        ("/checkout", MappedEvent("track", "Checkout Started", {})),
        ("/checkout/payment", MappedEvent("track", "Checkout Step Viewed", {"step": "payment"})),
    ],
)
def test_built_in_mapping_covers_common_shop_paths(target: str, expected: MappedEvent) -> None:
    assert load_builtin_mapping().find(method="GET", target=target, status=200) == expected


@pytest.mark.parametrize(
    "target", ["/search?q=", "/search", "/static/app.js", "/product", "/product/1/reviews", "/cart.js"]
)
def test_built_in_mapping_ignores_other_paths(target: str) -> None:
    assert load_builtin_mapping().find(method="GET", target=target, status=200) is None


@pytest.mark.parametrize(
    ("status", "counts"),
    [(200, True), (206, True), (302, True), (304, True), (301, False), (308, False), (404, False), (500, False)],
)
def test_only_successful_requests_are_mapped(status: int, counts: bool) -> None:
    assert (load_builtin_mapping().find(method="GET", target="/cart", status=status) is not None) is counts
    assert load_builtin_mapping().find(method="POST", target="/cart", status=status) is None


def test_patterns_support_numbers_parts_and_optional_names() -> None:
    mapping = build_mapping(
        "/{_language}/p/{slug}-{product_id:int}.html",
        "/list/{category}/{page:int?}?sort={sort?}&min={price:number?}",
        "/add?id={product_id}&n={quantity:int}",
    )
    assert find_properties(mapping, "/en/p/blue-kettle-17.html") == {"": "E0", "slug": "blue-kettle", "product_id": 17}
    assert find_properties(mapping, "/en/p/blue-kettle.html") is None
    assert find_properties(mapping, "/list/tea") == {"": "E1", "category": "tea"}
    assert find_properties(mapping, "/list/tea/2?sort=new&min=1.50") == {
        "": "E1",
        "category": "tea",
        "page": 2,
        "sort": "new",
        "price": 1.5,
    }
    assert find_properties(mapping, "/list/tea/two") is None
    assert find_properties(mapping, "/list/tea?min=cheap") is None
    assert find_properties(mapping, "/add?id=a&n=3") == {"": "E2", "product_id": "a", "quantity": 3}
    assert find_properties(mapping, "/add?id=a") is None
    assert find_properties(mapping, "/add?id=a&n=٣") is None


def test_first_matching_entry_is_used_and_constants_are_added() -> None:
    mapping = build_mapping("/p/{product_id}", "/{rest*}", extra='properties = {list = "shelf", rank = 2}')
    assert find_properties(mapping, "/p/1") == {"": "E0", "product_id": "1", "list": "shelf", "rank": 2}
    assert find_properties(mapping, "/p/1/2") == {"": "E1", "rest": "p/1/2", "list": "shelf", "rank": 2}


def test_entry_can_require_method_and_status() -> None:
    mapping = build_mapping("/cart/add/{product_id}", extra='method = "post"\nstatus = [303]')
    assert mapping.methods == {"POST"}
    assert mapping.find(method="POST", target="/cart/add/7", status=303) == MappedEvent(
        "track", "E0", {"product_id": "7"}
    )
    assert mapping.find(method="POST", target="/cart/add/7", status=200) is None


def test_query_string_with_thousands_of_parameters_is_ignored() -> None:
    assert find_properties(build_mapping("/s?q={query}"), "/s?q=1&" + "&".join(f"a{n}=1" for n in range(5000))) is None


def test_json_mapping_equals_the_toml_mapping(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text('{"events": [{"path": "/p/{product_id}", "event": "Product Viewed"}], "bots": ["acme (probe"]}')
    mapping = read_mapping(path)
    assert find_properties(mapping, "/p/1") == {"": "Product Viewed", "product_id": "1"}
    assert mapping.bots is not None
    assert mapping.bots.search("ACME (Probe 1)")


def test_built_in_mapping_can_be_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(read_builtin_mapping())
    assert read_mapping(path) == load_builtin_mapping()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("events = []", "events is empty"),
        ("", "missing required field `events`"),
        ("events = [", "Invalid"),
        ('[[events]]\npath = "/a"\nevnt = "A"', r"unknown field `evnt` - at `\$\.events\[0\]`"),
        ('[[events]]\nevent = "A"', "missing required field `path`"),
        ('[[events]]\npath = "/a"', r"events\[0\]: set either event .* or page"),
        ('[[events]]\npath = "/a"\nevent = "A"\npage = "B"', r"events\[0\]: set either event .* or page"),
        ('[[events]]\npath = "a"\nevent = "A"', r"events\[0\]\.path is 'a'; use a path such as"),
        ('[[events]]\npath = "/a/{b c}"\nevent = "A"', r"events\[0\]\.path: a name in braces"),
        ('[[events]]\npath = "/a/{b:integer}"\nevent = "A"', r"unknown type 'integer'; valid: int, number"),
        ('[[events]]\npath = "/a?q"\nevent = "A"', r"write parameters as q=\{query\}"),
        (
            'anonymous_id = "visitor"\n[[events]]\npath = "/a"\nevent = "A"',
            r"anonymous_id is 'visitor'; use a variable",
        ),
        (
            'anonymous_id = "$cookie_v"\n[[events]]\npath = "/a"\nevent = "A"',
            r"anonymous_id: \$cookie_v is not a variable of format",
        ),
        ('format = "$status"\n[[events]]\npath = "/a"\nevent = "A"', r"\$request is required"),
    ],
)
def test_invalid_mapping_file_error_gives_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(UrlMappingError, match=message) as error_info:
        read_mapping(path)
    assert str(path) in str(error_info.value)


def test_missing_and_unreadable_mapping_files_are_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(UrlMappingError, match=r"The mapping file .* does not exist.*--print-mapping"):
        read_mapping(tmp_path / "none.toml")
    (tmp_path / "wide.toml").write_bytes("events = []".encode("utf-16"))
    with pytest.raises(UrlMappingError, match="is not UTF-8 text"):
        read_mapping(tmp_path / "wide.toml")
