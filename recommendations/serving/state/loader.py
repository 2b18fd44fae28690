"""Keeps what a worker serves from current: a thread looks every second, and requests take what is there.

What has changed is made ready beside what serves and put in its place by one assignment, so that no request waits for it or sees
half of it. While PostgreSQL or Valkey are away everything goes on from memory, marked as stale.
"""

import gc
import logging
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from catalog.models import Product
from recommendations.engine import IdMap
from recommendations.serving.state.compiled_blends import Prepared
from recommendations.serving.state.compiled_rules import Ruling, read_ruling
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.product_index import Catalogue
from recommendations.serving.state.settings import DEFAULTS, Places, read_places
from recommendations.serving.state.suppression import NOBODY, Withheld, read_withheld
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import Artifact, DamagedArtifactError, open_artifact
from recommendations.training.registry.promotion import ACTIVE_MODELS_KEY, announce, artifact_folder, serving_name

LOOK_EVERY_SECONDS = 1.0
DAMAGED_SECONDS = 60.0
COUNT_EVERY_LOOKS = 10  # whether products were deleted
logger = logging.getLogger(__name__)
_numbers = count(1)


@dataclass(frozen=True, eq=False)
class Loaded:
    """All that answers come from. name: the version, or its refresh, as it is announced; "" without a model.

    number: differs between any two of them, so that a thread knows whose arrays it holds. kept: what others have worked out of all this and
    would work out again.
    """

    name: str
    model: ServingModel | None
    catalogue: Catalogue
    checksum: str = ""
    prepared: Prepared | None = None
    places: Places = DEFAULTS
    withheld: Withheld = NOBODY
    ruling: Ruling = field(default_factory=Ruling)
    number: int = field(default_factory=lambda: next(_numbers))
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return self.model.version if self.model is not None else ""


class Loader:
    """Holds what this process serves from. Threads share it; while one looks for news, the others go on with what is there."""

    def __init__(self, scenario: str = "for-you") -> None:
        self.scenario = scenario
        self.loaded: Loaded | None = None
        self.looked_at = float("-inf")
        self.lock = threading.Lock()
        self.watching = False
        self.looked_once = threading.Event()
        self.stale_since: datetime | None = None
        self.looks = 0
        self.damaged: dict[tuple[str, str], float] = {}  # when each content was found so
        self.valkey = redis.Redis.from_url(
            settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5, decode_responses=True
        )

    def current(self, *, now: datetime) -> Loaded:
        """What serves at this moment.

        Errors: DatabaseError where nothing was loaded yet and the database does not answer.
        """
        if self.loaded is None:
            with self.lock:
                if self.loaded is None:
                    self.look(now=now)
        elif (
            not self.watching
            and (self.loaded.model is None or time.monotonic() - self.looked_at > LOOK_EVERY_SECONDS)
            and self.lock.acquire(blocking=False)
        ):
            try:
                self.look(now=now)
            finally:
                self.lock.release()
        assert self.loaded is not None
        return self.loaded

    def watch(self) -> None:
        """Looks for ever in this thread: requests never do then. `looked_once` is set after the first look, whatever came of it."""
        while True:
            started = time.monotonic()
            try:
                with self.lock:
                    self.look(now=timezone.now())
                self.watching = True
            except Exception:
                logger.exception("Looking for a new model or catalogue failed; what is loaded goes on serving")
            finally:
                connection.close()
                self.looked_once.set()
            time.sleep(max(LOOK_EVERY_SECONDS - (time.monotonic() - started), 0.1))

    def look(self, *, now: datetime) -> None:
        """Takes what is new: a promoted version or its refresh, products, settings, refusals.

        Errors: DatabaseError, only where there is nothing to go on with.
        """
        self.looked_at = time.monotonic()
        try:
            self._look(now=now)
        except (DatabaseError, InterfaceError) as error:
            if self.loaded is None:
                raise
            if self.stale_since is None:
                self.stale_since = now
                logger.warning("The database does not answer (%s): recommendations go on from memory", error)
            return
        self.stale_since = None

    def _look(self, *, now: datetime) -> None:
        self.looks += 1
        before = self.loaded
        announced = self.announced_version()
        active: ModelVersion | None = None
        if before is None or not announced or announced != before.name or not self.watching:
            active = ModelVersion.objects.filter(scenario=self.scenario, status=ModelVersion.Status.ACTIVE).first()
            if active is not None and serving_name(active) != announced:
                # Valkey was emptied, or knows a version of another database
                announce(scenario=self.scenario, version=serving_name(active))
        after = before or Loaded("", None, Catalogue(IdMap.of([]), more=Product.objects.count()))
        checksum = active.checksum + active.refresh_checksum if active is not None else ""
        if active is not None and (active.version, checksum) != (after.version, after.checksum):
            # another version may hold the very same arrays
            after = after if self.was_damaged(active) else self.with_model(after, active)
        thorough = not self.watching or self.looks % COUNT_EVERY_LOOKS == 0
        after.catalogue.refresh(now=now, thorough=thorough)
        if after.catalogue.full:
            items = after.model.items if after.model is not None else IdMap.of([])
            after = replace(after, catalogue=after.catalogue.arranged(items), prepared=None, number=next(_numbers))
            after.catalogue.refresh(now=now, thorough=True)
        places, withheld = read_places(after.places), read_withheld(after.withheld)
        if withheld is not after.withheld:
            after = replace(after, withheld=withheld)
        if places is not after.places:
            after = replace(after, places=places, prepared=None)
        ruling = read_ruling(before=after.ruling, catalogue=after.catalogue, places=after.places, now=now)
        if ruling is not after.ruling:
            after = replace(after, ruling=ruling)
        if after.model is not None and after.prepared is None:
            prepared = Prepared.of(model=after.model, places=after.places, n=after.catalogue.n)
            prepared.warm_up(after.model)
            after = replace(after, prepared=prepared)
        self.loaded = after
        if before is None or after.number != before.number:
            if before is not None:
                gc.collect()  # what is on its way out would stay for ever; some milliseconds, since only what is new is looked through
            gc.freeze()  # what stays need not be looked through again and again, which takes as long as many answers

    def announced_version(self) -> str:
        try:
            announced = self.valkey.hget(ACTIVE_MODELS_KEY, self.scenario)
        except redis.RedisError as error:
            logger.warning("Valkey does not answer, asking the database for the active model: %s", error)
            return ""
        return str(announced) if announced else ""

    def was_damaged(self, record: ModelVersion) -> bool:
        """Within the last minute: somebody may have restored it since."""
        return time.monotonic() - self.damaged.get(content_of(record), float("-inf")) < DAMAGED_SECONDS

    def with_model(self, before: Loaded, record: ModelVersion) -> Loaded:
        """The same with another version; the same object where its arrays are damaged."""
        try:
            artifact = open_artifact(folder=artifact_folder(record), checksum=record.checksum, verify_arrays=True)
            refresh = open_refresh(record)
            model = ServingModel.of_artifact(
                version=record.version, algorithm=record.algorithm, artifact=artifact, refresh=refresh
            )
        except DamagedArtifactError as error:
            self.damaged[content_of(record)] = time.monotonic()
            logger.error("%s cannot serve, the present model goes on: %s", record.version, error)
            return before
        same = before.model is not None and before.checksum.startswith(record.checksum)
        catalogue = before.catalogue if same else before.catalogue.arranged(model.items)
        return replace(
            before,
            name=serving_name(record),
            checksum=record.checksum + record.refresh_checksum,
            model=model,
            catalogue=catalogue,
            prepared=None,
            number=next(_numbers),
        )


def content_of(record: ModelVersion) -> tuple[str, str]:
    """A name is not enough: another database may have given it to something else."""
    return serving_name(record), record.checksum + record.refresh_checksum


def open_refresh(record: ModelVersion) -> Artifact | None:
    """What changed since the version was trained; without it the version serves as it was trained."""
    if not record.refresh:
        return None
    try:
        return open_artifact(folder=settings.MODELS_DIR / record.refresh, checksum=record.refresh_checksum)
    except DamagedArtifactError as error:
        logger.error("%s serves without its refresh: %s", record.version, error)
        return None


loader = Loader()
