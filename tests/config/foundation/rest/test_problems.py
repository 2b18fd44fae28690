"""Every error response is a problem document of the same form."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, OperationalError, connection
from django.http import Http404
from django.test import Client, override_settings
from django.urls import path
from psycopg.errors import LockNotAvailable, QueryCanceled
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, Throttled, ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from config.access.scopes import KNOWN_SCOPES
from config.foundation.database.statement_timeouts import limit_statements
from config.foundation.rest.problems import iterate_field_errors
from customers.segments.models import Segment
from tests.config.access.callers import make_client

pytestmark = pytest.mark.django_db


class Line(serializers.Serializer):
    quantity = serializers.IntegerField(min_value=1)
    tags = serializers.ListField(child=serializers.CharField(max_length=3), required=False, min_length=1)
    key = serializers.SlugField(required=False)
    segment = serializers.SlugRelatedField("key", queryset=Segment.objects.all(), required=False)


class Order(serializers.Serializer):
    order_id = serializers.CharField()
    lines = Line(many=True)

    def validate(self, data: Any) -> Any:
        if data["order_id"] == "none":
            raise serializers.ValidationError("Not this one.", code="forbidden_id")
        return data


class FailingView(APIView):
    """A view that raises the error set by the test."""

    required_scopes = {"GET": "orders:read", "POST": "orders:write"}
    error: Exception | None = None

    def get(self, request: Any) -> Response:
        if self.error is not None:
            raise self.error
        return Response({})

    def post(self, request: Any) -> Response:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        return Response({})


urlpatterns = [path("failing/", FailingView.as_view())]
use_test_urls = override_settings(ROOT_URLCONF=__name__)


def get(error: Exception, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(FailingView, "error", error)
    with use_test_urls:
        client = make_client("orders:read")
        client.raise_request_exception = False
        return client.get("/failing/")


def post(body: Any, content_type: str = "application/json") -> Any:
    with use_test_urls:
        return make_client("orders:write").post("/failing/", body, content_type)


def build_caused_error(cause: Exception) -> OperationalError:
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry"),
    [
        (Http404(), 404, "not-found", None),
        (PermissionDenied(), 403, "permission-denied", None),
        (ModelValidationError({"name": "Too long."}), 400, "validation-failed", None),
        (RequestDataTooBig(), 413, "too-large", None),
        (Throttled(wait=7.2), 429, "throttled", "8"),
        (OperationalError("gone"), 503, "database-unreachable", "5"),
        (build_caused_error(QueryCanceled()), 503, "database-busy", "5"),
        (build_caused_error(LockNotAvailable()), 503, "database-busy", "5"),
        (DataError("numeric overflow"), 400, "validation-failed", None),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), 400, "validation-failed", None),
        (RecursionError(), 400, "parse-error", None),
        (ZeroDivisionError("secret detail"), 500, "error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_error_becomes_a_problem(
    error: Exception, status: int, kind: str, retry: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = get(error, monkeypatch)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.get("Retry-After") == retry
    problem = response.json()
    assert list(problem) == ["type", "title", "status", "detail", "errors"]
    assert (problem["type"], problem["status"]) == (f"urn:perennial:problem:{kind}", status)
    assert problem["detail"]
    assert "secret" not in response.content.decode()


def test_a_statement_that_reaches_its_timeout_does_not_mean_that_the_database_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        pytest.raises(OperationalError) as caught,
        limit_statements(20),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(5)")
    assert "took too long" in get(caught.value, monkeypatch).json()["detail"]


def test_every_invalid_field_is_named_with_its_path() -> None:
    order = {"lines": [{"quantity": 1}, {"quantity": 0, "tags": ["ok", "longer", 7, "other"]}, 5]}
    problem = post(order).json()
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [
        ("order_id", "required"),
        ("lines[1].quantity", "min_value"),
        ("lines[1].tags[1]", "max_length"),
        ("lines[1].tags[3]", "max_length"),
        ("lines[2]", "invalid"),
    ]
    assert problem["detail"].startswith("order_id: ")


def test_error_of_the_whole_object_has_no_field() -> None:
    [error] = post({"order_id": "none", "lines": []}).json()["errors"]
    assert error == {"field": None, "code": "forbidden_id", "message": "Not this one."}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"order_id": NaN}', b"[" * 200_000, b"1" * 5000])
def test_malformed_json_is_400(body: bytes) -> None:
    response = post(body)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The body is not valid JSON: error in line 1, column 2."),
        (b"\xff", "The body is not valid JSON in UTF-8."),
        (b"[]", "Must be a JSON object."),
    ],
)
def test_a_body_that_is_not_a_json_object_is_described_without_terms_of_python(body: bytes, message: str) -> None:
    assert post(body).json()["detail"] == message


def test_invalid_fields_are_described_without_terms_of_python() -> None:
    line = {"quantity": 1, "tags": [], "key": "a b", "segment": "nope"}
    problem = post({"order_id": "A1", "lines": [line, "tea", {"quantity": 1, "tags": {}}]}).json()
    assert [(error["field"], error["message"]) for error in problem["errors"]] == [
        ("lines[0].tags", "Too few items; the minimum is 1."),
        ("lines[0].key", "Use only letters, digits, hyphens and underscores."),
        ("lines[0].segment", "No object has the key “nope”."),
        ("lines[1]", "Must be a JSON object."),
        ("lines[2].tags", "Must be a JSON array."),
    ]


def test_an_unpaired_surrogate_is_a_400() -> None:
    assert post(b'{"order_id": "\\ud800", "lines": []}').status_code == 400


def test_a_compressed_body_is_415() -> None:
    with use_test_urls:
        client = make_client("orders:write")
        for encoding in ("gzip", "br"):
            response = client.post("/failing/", b"{}", "application/json", headers={"content-encoding": encoding})
            expected = f"Content-Encoding {encoding} is not supported; send the body uncompressed."
            assert (response.status_code, response.json()["detail"]) == (415, expected)
        response = client.post("/failing/", b"{}", "application/json", headers={"content-encoding": "identity"})
        assert response.status_code == 400, "the body was read"


def test_other_content_type_is_415_and_other_method_405() -> None:
    response = post(b"a=1", "application/x-www-form-urlencoded")
    assert (response.status_code, response.json()["type"]) == (415, "urn:perennial:problem:unsupported-media-type")
    with use_test_urls:
        response = make_client("orders:read").delete("/failing/")
    assert (response.status_code, response["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert response["Content-Type"] == "application/problem+json"


def test_an_unknown_url_returns_problem_details() -> None:
    response = Client().get("/api/v1/nowhere")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
    assert response.json()["detail"] == "Unknown URL /api/v1/nowhere; all URLs of this API end with a slash."
    assert Client().get("/api/v1/rules/abc/").json()["detail"] == "Unknown URL /api/v1/rules/abc/."


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_write_to_an_unknown_url_returns_problem_details_instead_of_a_csrf_page(method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)("/api/v1/segments/no slug/")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("address", ["customers", "products", "orders", "segments", "rank"])
def test_every_endpoint_responds_to_options(address: str) -> None:
    response = make_client(*KNOWN_SCOPES).options(f"/api/v1/{address}/")
    assert response.status_code == 200
    assert response.json().keys() == {"name", "description"}


def test_the_message_and_code_of_an_api_error_are_kept() -> None:
    error = ValidationError({"a": ErrorDetail("Wrong.", code="odd")})
    assert list(iterate_field_errors(error.detail)) == [{"field": "a", "code": "odd", "message": "Wrong."}]
