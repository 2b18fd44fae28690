"""Idempotent writes: a request with an Idempotency-Key is executed once and gets the same response each time.

A view class opts in with ``idempotent = True``. The effect of the request and its response are stored in one transaction, so that after
a crash there are both or neither. A second request at the same moment gets 409.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError, ValidationError

from config.access.grants import Grant, find_key_grant, find_user_grant, parse_authorization
from config.access.models import IdempotentResponse
from config.foundation.rest.problems import build_problem_response, to_api_error

METHODS = frozenset({"POST", "PUT", "PATCH"})
MAX_KEY_LENGTH = 200
# Responses that mean "not now" or "not you" are not stored, so that a retry is executed.
UNSTORED_STATUSES = frozenset({401, 403, 408, 429})


class RequestInProgress(APIException):
    status_code = 409
    default_code = "request_in_progress"


class IdempotencyKeyReused(APIException):
    status_code = 422
    default_code = "idempotency_key_reused"


class IdempotencyMiddleware:
    """Runs idempotent views once per key. It must be the last middleware, because it calls the view itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method not in METHODS or not getattr(view_class, "idempotent", False):
            return None
        try:
            grant = find_request_grant(request)
            if grant is None or not grant.allows(view_class, request.method):
                return None  # the view rejects the request itself
            check_key(key)
            return respond_once(grant.caller, key, request, lambda: view(request, *args, **kwargs))
        except (APIException, OperationalError, InterfaceError, RequestDataTooBig) as error:
            return build_problem_response(to_api_error(error) or APIException())
        except UnreadablePostError:
            return build_problem_response(ParseError(_("The request body is incomplete. Send the request again.")))


def find_request_grant(request: HttpRequest) -> Grant | None:
    plain = parse_authorization(request.headers.get("Authorization", ""))
    if plain is None:
        return find_user_grant(getattr(request, "user", None))
    return find_key_grant(plain, now=datetime.now(UTC))


def check_key(key: str) -> None:
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        message = _("Use 1 to %(max)d printable ASCII characters.") % {"max": MAX_KEY_LENGTH}
        raise ValidationError({"Idempotency-Key": message})


def respond_once(caller: str, key: str, request: HttpRequest, call: Callable[[], HttpResponse]) -> HttpResponse:
    """Return the stored response, or call the view and store its response in the same transaction as its writes.

    Raises:
        RequestInProgress: a request with the same key is being executed.
        IdempotencyKeyReused: the key was used for another request.
    """
    request_hash = hash_request(request)
    with transaction.atomic():
        if not acquire_lock(caller, key):
            raise RequestInProgress(_("A request with this Idempotency-Key is in progress. Retry in a moment."))
        stored = IdempotentResponse.objects.filter(api_key=caller, idempotency_key=key).first()
        if stored is not None and stored.request_hash != request_hash:
            raise IdempotencyKeyReused(_("This Idempotency-Key was used for a different request. Use a new key."))
        if stored is not None:
            return replay_response(stored)
        response = call()
        if hasattr(response, "render") and not response.is_rendered:  # type: ignore[attr-defined]
            response.render()
        # A server error leaves neither writes nor a response, so that a retry is executed.
        if response.status_code >= 500:
            transaction.set_rollback(True)
        elif response.status_code not in UNSTORED_STATUSES:
            store_response(caller, key, request_hash, response)
    return response


def acquire_lock(caller: str, key: str) -> bool:
    """Acquire a lock that is held until the transaction ends; return False if another request holds it."""
    # A lock instead of a row marked "in progress": a crash releases it, and no row has to be cleaned up.
    number = int.from_bytes(blake2b(f"idempotency {caller} {key}".encode(), digest_size=8).digest(), signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def hash_request(request: HttpRequest) -> str:
    digest = sha256(f"{request.method} {request.get_full_path()}\n".encode(errors="surrogateescape"))
    digest.update(request.body)
    return digest.hexdigest()


def store_response(caller: str, key: str, request_hash: str, response: HttpResponse) -> None:
    IdempotentResponse.objects.create(
        api_key=caller,
        idempotency_key=key,
        request_hash=request_hash,
        status=response.status_code,
        # Stored as text: jsonb would reorder keys, and the response must be identical byte for byte.
        body={"content_type": response.get("Content-Type", ""), "text": response.content.decode()},
        created_at=datetime.now(UTC),
    )


def replay_response(stored: IdempotentResponse) -> HttpResponse:
    body = stored.body or {}
    response = HttpResponse(body.get("text", ""), status=stored.status, content_type=body.get("content_type") or None)
    response["Idempotency-Replayed"] = "true"
    return response


def purge_idempotent_responses(*, before: datetime) -> int:
    """Delete responses older than ``before``, after which their keys can be used again; return their number."""
    return IdempotentResponse.objects.filter(created_at__lt=before).delete()[0]
