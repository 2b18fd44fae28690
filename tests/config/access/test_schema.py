"""The OpenAPI document describes errors, limits, keys and scopes."""

import re
from typing import Any

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


def test_the_document_is_valid_and_describes_errors_keys_and_scopes() -> None:
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache) == ({}, {})
    validate_schema(document)
    upsert = document["paths"]["/api/v1/customers/"]["put"]
    assert upsert["x-scope"] == "customers:write"
    assert {"400", "401", "403", "409", "413", "415", "422", "429", "503"} <= upsert["responses"].keys()
    assert "application/problem+json" in upsert["responses"]["400"]["content"]
    assert [parameter["name"] for parameter in upsert["parameters"]] == ["Idempotency-Key"]
    assert {"key": []} in upsert["security"]


def build_request_schemas() -> dict[str, dict[str, Any]]:
    document = SchemaGenerator().get_schema(request=None, public=True)
    return {name: schema for name, schema in document["components"]["schemas"].items() if name.endswith("Request")}


def test_text_patterns_exclude_nul_and_blank_values() -> None:
    properties = build_request_schemas()["CampaignRequest"]["properties"]
    name, description = (re.compile(properties[field]["pattern"]) for field in ("name", "description"))
    assert [bool(name.search(text)) for text in ("Spring", " a ", "", " \t", "a\0")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert [bool(description.search(text)) for text in ("", " ", "a\0")] == [True, True, False]
    assert properties["key"]["pattern"] == "^[-a-zA-Z0-9_]+$"


def test_a_decimal_is_a_string_with_limited_digits_or_a_number() -> None:
    digits, number = build_request_schemas()["CampaignRequest"]["properties"]["holdout_share"]["oneOf"]
    assert digits == {"type": "string", "format": "decimal", "pattern": r"^[0-9]{1,1}(\.[0-9]{1,4})?$"}
    assert number == {"type": "number", "minimum": 0.0, "maximum": 0.9999}
    price = build_request_schemas()["OrderItemRequest"]["properties"]["total"]["oneOf"]
    assert price[0]["pattern"] == r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$"
    assert price[1]["minimum"] == -price[1]["maximum"] == -(10**12)


def test_lists_have_a_maximum_length_and_a_person_has_one_of_eight_ids() -> None:
    schemas = build_request_schemas()
    assert schemas["ProductsWriteRequest"]["properties"]["products"]["maxItems"] == 1000
    options = schemas["PersonRequest"]["oneOf"]
    assert [option["required"] for option in options] == [
        [name]
        for name in ("id", "user_id", "anonymous_id", "device_id", "email", "phone", "wechat_openid", "wechat_unionid")
    ]


def test_the_skip_reason_of_a_message_that_was_not_skipped_may_be_empty() -> None:
    schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]
    for name in ("Delivery", "DeliveryDetail", "CampaignDelivery"):
        options = [option["$ref"].rpartition("/")[2] for option in schemas[name]["properties"]["skip_reason"]["oneOf"]]
        assert options == ["SkipReasonEnum", "BlankEnum"]


def test_an_empty_query_parameter_is_allowed() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    parameters = {
        parameter["name"]: parameter for parameter in document["paths"]["/api/v1/search/"]["get"]["parameters"]
    }
    assert all(parameter["allowEmptyValue"] for parameter in parameters.values())
    assert parameters["brand"]["schema"] == {"type": "string", "maxLength": 255, "pattern": r"^[^\u0000]*$"}


def test_an_optional_url_or_email_address_may_be_empty_for_validators_that_do_not_check_formats() -> None:
    schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]
    for schema in (
        schemas["Product"]["properties"]["image_url"],
        schemas["ProductItemRequest"]["properties"]["url"],
        schemas["CustomerItemRequest"]["properties"]["email"],
    ):
        assert "oneOf" not in schema
        assert [option["maxLength"] for option in schema["anyOf"]][1] == 0


def test_no_write_has_the_description_of_a_read() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    for path, operations in document["paths"].items():
        reads = {operation["description"] for method, operation in operations.items() if method == "get"}
        for method, operation in operations.items():
            assert operation["description"], (path, method)
            assert method == "get" or operation["description"] not in reads, (path, method)


def test_every_post_that_changes_definitions_or_requests_takes_an_idempotency_key() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    areas = (
        "campaigns",
        "experiments",
        "flows",
        "message-templates",
        "offers/{key}",
        "privacy/requests",
        "rules",
        "segments",
    )
    posts = {path: item["post"] for path, item in document["paths"].items() if "post" in item}
    changing = {
        path: [parameter["name"] for parameter in post.get("parameters", [])]
        for path, post in posts.items()
        if path.startswith(tuple(f"/api/v1/{area}/" for area in areas)) and post["x-scope"].endswith(":write")
    }
    assert len(changing) > 20
    assert [path for path, names in changing.items() if "Idempotency-Key" not in names] == []


def test_a_resource_with_an_etag_documents_the_answers_to_it() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    product = paths["/api/v1/products/{product_id}/"]
    assert "304" in paths["/api/v1/categories/"]["get"]["responses"]
    assert {
        method: sorted({"304", "412"} & operation["responses"].keys()) for method, operation in product.items()
    } == {
        "get": ["304"],
        "patch": ["412"],
        "delete": ["412"],
    }
