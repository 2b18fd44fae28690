"""Django's cache in Valkey, which a request in test mode only reads."""

from typing import Any

from django.core.cache.backends.redis import RedisCache

from config.foundation.test_mode.state import may_write_to_valkey


class LiveModeCache(RedisCache):
    """Drops the writes of test mode, and answers as if they had succeeded."""

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return super().add(*args, **kwargs) if may_write_to_valkey() else True

    def set(self, *args: Any, **kwargs: Any) -> None:
        if may_write_to_valkey():
            super().set(*args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return super().touch(*args, **kwargs) if may_write_to_valkey() else True

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return super().delete(*args, **kwargs) if may_write_to_valkey() else True

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        if may_write_to_valkey():
            return super().incr(key, delta, version)
        return int(self.get(key, 0, version)) + delta

    def set_many(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return super().set_many(data, *args, **kwargs) if may_write_to_valkey() else []

    def delete_many(self, *args: Any, **kwargs: Any) -> None:
        if may_write_to_valkey():
            super().delete_many(*args, **kwargs)

    def clear(self) -> Any:
        return super().clear() if may_write_to_valkey() else True
