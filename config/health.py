"""Health checks for operators and load balancers: is the process alive, and is it ready to serve?"""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse


def report_liveness(request: HttpRequest) -> JsonResponse:
    """Return 200 while the process can handle requests."""
    return JsonResponse({"status": "live"})


def report_readiness(request: HttpRequest) -> JsonResponse:
    """Return 200 if PostgreSQL is reachable, otherwise 503. Valkey is reported too, but serving works without it."""
    checks = {"database": is_database_reachable(), "valkey": is_valkey_reachable()}
    return JsonResponse(
        {"status": "ready" if checks["database"] else "not ready", **checks}, status=200 if checks["database"] else 503
    )


def is_database_reachable() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def is_valkey_reachable() -> bool:
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5) as valkey:
            return bool(valkey.ping())
    except redis.RedisError:
        return False
