"""The OpenAPI document says what can go wrong and what is needed."""

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


def test_document_is_valid_without_a_warning_and_names_problems_keys_and_scopes() -> None:
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
