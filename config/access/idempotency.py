"""Writes that may be sent twice: a request with an Idempotency-Key is carried out once and answered alike each time.

A view class says ``idempotent = True``. The request and its answer are stored in one transaction, so that a crash leaves
either both or neither; a second request at the same moment is told so by 409.
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

from config.access.grants import Grant, grant_of_key, grant_of_user, plain_key_of
from config.access.models import IdempotentAnswer
from config.foundation.rest.problems import as_api_error, problem_response

METHODS = frozenset({"POST", "PUT", "PATCH"})
MOST_KEY = 200
# an answer that says "not now" or "not you" is worth asking again
NOT_KEPT = frozenset({401, 403, 408, 429})


class RequestInProgress(APIException):
    status_code = 409
    default_code = "request_in_progress"


class KeyUsedDifferently(APIException):
    status_code = 422
    default_code = "idempotency_key_reused"


class IdempotencyMiddleware:
    """Must stand last, because it calls the view itself."""

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
            grant = grant_of(request)
            if grant is None or not grant.allows(view_class, request.method):
                return None  # the view refuses by itself
            check_key(key)
            return answer_once(grant.caller, key, request, lambda: view(request, *args, **kwargs))
        except (APIException, OperationalError, InterfaceError, RequestDataTooBig) as error:
            return problem_response(as_api_error(error) or APIException())
        except UnreadablePostError:
            return problem_response(ParseError(_("The body broke off; send it again.")))


def grant_of(request: HttpRequest) -> Grant | None:
    plain = plain_key_of(request.headers.get("Authorization", ""))
    if plain is None:
        return grant_of_user(getattr(request, "user", None))
    return grant_of_key(plain, now=datetime.now(UTC))


def check_key(key: str) -> None:
    if not 1 <= len(key) <= MOST_KEY or not key.isascii() or not key.isprintable():
        message = _("Give 1 to %(most)d printable ASCII characters.") % {"most": MOST_KEY}
        raise ValidationError({"Idempotency-Key": message})


def answer_once(caller: str, key: str, request: HttpRequest, call: Callable[[], HttpResponse]) -> HttpResponse:
    """The stored answer, or the view's, which is stored in the same transaction as what the view wrote.

    Raises:
        RequestInProgress: the same key is being answered at this moment.
        KeyUsedDifferently: the key came with another request before.
    """
    request_hash = hash_request(request)
    with transaction.atomic():
        if not lock(caller, key):
            raise RequestInProgress(_("A request with this Idempotency-Key is being answered; ask again in a moment."))
        stored = IdempotentAnswer.objects.filter(api_key=caller, idempotency_key=key).first()
        if stored is not None and stored.request_hash != request_hash:
            raise KeyUsedDifferently(_("This Idempotency-Key was used for another request; take a new one."))
        if stored is not None:
            return replay(stored)
        response = call()
        if hasattr(response, "render") and not response.is_rendered:  # type: ignore[attr-defined]
            response.render()
        if response.status_code >= 500:
            transaction.set_rollback(True)
        elif response.status_code not in NOT_KEPT:
            keep(caller, key, request_hash, response)
    return response


def lock(caller: str, key: str) -> bool:
    """Held until the transaction ends, however it ends."""
    number = int.from_bytes(blake2b(f"idempotency {caller} {key}".encode(), digest_size=8).digest(), signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def hash_request(request: HttpRequest) -> str:
    digest = sha256(f"{request.method} {request.get_full_path()}\n".encode(errors="surrogateescape"))
    digest.update(request.body)
    return digest.hexdigest()


def keep(caller: str, key: str, request_hash: str, response: HttpResponse) -> None:
    IdempotentAnswer.objects.create(
        api_key=caller,
        idempotency_key=key,
        request_hash=request_hash,
        status=response.status_code,
        # as text: jsonb would change the order of the keys, and the answer shall be the same byte for byte
        body={"content_type": response.get("Content-Type", ""), "text": response.content.decode()},
        created_at=datetime.now(UTC),
    )


def replay(stored: IdempotentAnswer) -> HttpResponse:
    body = stored.body or {}
    response = HttpResponse(body.get("text", ""), status=stored.status, content_type=body.get("content_type") or None)
    response["Idempotency-Replayed"] = "true"
    return response


def purge_idempotent_answers(*, before: datetime) -> int:
    """Deletes answers older than ``before``; the same key is then a new request."""
    return IdempotentAnswer.objects.filter(created_at__lt=before).delete()[0]
