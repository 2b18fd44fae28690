"""Keeps a worker's model and catalogue current: one look every two seconds, none of it in between."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings

from recommendations.serving.catalogue import Catalogue
from recommendations.serving.model import ServingModel
from recommendations.training.artifacts import Artifact, DamagedArtifactError, open_artifact
from recommendations.training.models import ModelVersion
from recommendations.training.promotion import ACTIVE_MODELS_KEY, announce, artifact_folder, serving_name

LOOK_EVERY_SECONDS = 2.0
logger = logging.getLogger(__name__)


class NoModelError(Exception):
    """Nothing was trained and promoted yet."""

    def __init__(self, scenario: str) -> None:
        super().__init__(f"No model serves {scenario} yet: run `manage.py train`, or wait for the nightly training.")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model together with the products in the order of its items. name: the version, or its refresh, as it is announced."""

    name: str
    model: ServingModel
    catalogue: Catalogue


class Loader:
    """Holds what this process serves from. Threads share it; while one looks for news, the others go on with what is there."""

    def __init__(self, scenario: str = "for-you") -> None:
        self.scenario = scenario
        self.loaded: Loaded | None = None
        self.looked_at = float("-inf")
        self.lock = threading.Lock()
        self.valkey = redis.Redis.from_url(
            settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5, decode_responses=True
        )

    def current(self, *, now: datetime) -> Loaded:
        """The active model. Raises NoModelError."""
        if self.loaded is None:
            with self.lock:
                if self.loaded is None:
                    self.look(now=now)
        elif time.monotonic() - self.looked_at > LOOK_EVERY_SECONDS and self.lock.acquire(blocking=False):
            try:
                self.look(now=now)
            finally:
                self.lock.release()
        if self.loaded is None:
            raise NoModelError(self.scenario)
        return self.loaded

    def look(self, *, now: datetime) -> None:
        """Loads a newly promoted version, or what changed in the catalogue since the last look."""
        self.looked_at = time.monotonic()
        serving = self.loaded.name if self.loaded is not None else ""
        announced = self.announced_version()
        if announced and announced == serving:
            assert self.loaded is not None
            self.loaded.catalogue.refresh(now=now)
            return
        active = ModelVersion.objects.filter(scenario=self.scenario, status=ModelVersion.Status.ACTIVE).first()
        if active is None:
            return
        if serving_name(active) != announced:  # Valkey was emptied, or knows a version of another database
            announce(scenario=self.scenario, version=serving_name(active))
        if serving_name(active) != serving:
            self.load(active, now=now)

    def announced_version(self) -> str:
        try:
            announced = self.valkey.hget(ACTIVE_MODELS_KEY, self.scenario)
        except redis.RedisError as error:
            logger.warning("Valkey does not answer, asking the database for the active model: %s", error)
            return ""
        return str(announced) if announced else ""

    def load(self, record: ModelVersion, *, now: datetime) -> None:
        try:
            artifact = open_artifact(folder=artifact_folder(record), checksum=record.checksum)
            refresh = open_refresh(record)
        except DamagedArtifactError as error:
            logger.error("%s cannot serve, the present model goes on: %s", record.version, error)
            return
        model = ServingModel.of_artifact(
            version=record.version, algorithm=record.algorithm, artifact=artifact, refresh=refresh
        )
        same = self.loaded is not None and self.loaded.model.version == record.version
        catalogue = self.loaded.catalogue if self.loaded is not None and same else Catalogue(model.items)
        catalogue.refresh(now=now)
        model.warm_up()
        self.loaded = Loaded(serving_name(record), model, catalogue)


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
