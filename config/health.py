"""For the operator and their load balancer: does the process live, can it work?"""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse


def live(request: HttpRequest) -> JsonResponse:
    """That the process answers."""
    return JsonResponse({"status": "live"})


def ready(request: HttpRequest) -> JsonResponse:
    """That PostgreSQL answers, without which nothing works; and whether Valkey does, without which only freshness is lost."""
    checks = {"database": database_answers(), "valkey": valkey_answers()}
    return JsonResponse(
        {"status": "ready" if checks["database"] else "not ready", **checks}, status=200 if checks["database"] else 503
    )


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def valkey_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5) as valkey:
            return bool(valkey.ping())
    except redis.RedisError:
        return False
