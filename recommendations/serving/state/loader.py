"""Keep the serving state of a worker current.

A thread refreshes it every second while requests use the loaded one. Every change is prepared separately from the current state and
takes effect by one assignment, so no request waits for it or sees a part of it. After a start, the catalog comes first: requests get
fallbacks until the model is loaded and its kernels are compiled. While PostgreSQL or Valkey is down, serving continues from memory
and the responses are marked as stale.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from catalog.models import Product
from config.foundation.database.valkey_address import open_valkey
from config.foundation.database.wait_limits import limit_database_wait, stop_limiter
from recommendations.engine import IdMap
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.experiments.running import read_running_experiments
from recommendations.serving.experiments.variant_states import NO_VARIANTS, VariantStates, compile_variants
from recommendations.serving.state.compiled_blends import CompiledBlends
from recommendations.serving.state.compiled_rules import CompiledRules, read_compiled_rules
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.pauses import exclude_from_collections
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.state.reason_support import ReasonSupport
from recommendations.serving.state.settings import DEFAULT_CONFIGS, PlacementConfigs, read_placement_configs
from recommendations.serving.state.suppression import (
    EMPTY_SUPPRESSION_LIST,
    SuppressionList,
    read_suppression_list,
)
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifact_copies import (
    ArtifactFetcher,
    has_copy,
    open_published_artifact,
    remove_unused_copies,
)
from recommendations.training.registry.artifacts import Artifact, DamagedArtifactError
from recommendations.training.registry.promotion import (
    ACTIVE_MODELS_KEY,
    announce_active_version,
    get_serving_name,
)

REFRESH_INTERVAL_SECONDS = 1.0
STALE_SECONDS = 5.0  # a refresh that takes longer waits for a server that does not answer
DAMAGED_RETRY_SECONDS = 60.0
FULL_CHECK_INTERVAL = 10  # every nth refresh also checks whether products were deleted
logger = logging.getLogger(__name__)
_state_numbers = count(1)

type WarmUp = Callable[[ServingState, datetime], None]


@dataclass(frozen=True, eq=False)
class ServingState:
    """Everything that responses are computed from.

    name: the announced name of the model version or its refresh; "" without a model. number: differs between any two
    states; the key of caches elsewhere. variants: of running experiments. cache: values that other modules compute from this
    state. groups: variants and nearly identical products; groups_of: what they were built from.
    """

    name: str
    model: ServingModel | None
    products: ProductIndex
    checksum: str = ""
    blends: CompiledBlends | None = None
    placements: PlacementConfigs = DEFAULT_CONFIGS
    suppressions: SuppressionList = EMPTY_SUPPRESSION_LIST
    rules: CompiledRules = field(default_factory=CompiledRules)
    groups: ProductGroups = field(default_factory=lambda: ProductGroups.create_empty(0))
    groups_of: "GroupSources | None" = None
    variants: VariantStates = NO_VARIANTS
    number: int = field(default_factory=lambda: next(_state_numbers))
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The active model version; "" without one."""
        return self.model.version if self.model is not None else ""

    def without_model(self) -> "ServingState":
        """Return a state that answers with fallbacks from the same catalog."""
        return replace(self, name="", model=None, checksum="", blends=None, number=next(_state_numbers), cache={})

    @cached_property
    def reason_support(self) -> ReasonSupport:
        """The counts that reasons about other customers are checked against."""
        return ReasonSupport(self.model, settings.RECOMMEND_MIN_SUPPORT)


class GroupSources(NamedTuple):
    """What product groups are built from: the catalog and its counters, and the near-identical products of the model."""

    products: ProductIndex
    near: npt.NDArray[np.int32] | None
    parents_generation: int
    filled: int

    def equals(self, other: "GroupSources | None") -> bool:
        """Return whether both give the same groups."""
        if other is None:
            return False
        return self.products is other.products and self.near is other.near and self[2:] == other[2:]


class StateLoader:
    """Holds the serving state of this process.

    Threads share it, and one of them refreshes it at a time. warm_up: called with the first state that has a model, before requests
    are answered from it.
    """

    def __init__(self, scenario: str = "for-you") -> None:
        self.scenario = scenario
        self.warm_up: WarmUp | None = None
        self.state: ServingState | None = None
        self.prepared: ServingState | None = None  # the first state as it was loaded, until its kernels are compiled
        self.refreshed_at = float("-inf")
        self.lock = threading.Lock()
        self.is_refreshed_by_thread = False
        self.has_refresh_thread = False
        self.can_answer = threading.Event()
        self.ready = threading.Event()
        self.stale_since: datetime | None = None
        self.refresh_started_at: float | None = None  # of the refresh that is running
        self.refresh_count = 0
        self.fetcher = ArtifactFetcher()
        self.damaged_at: dict[tuple[str, str], float] = {}  # by name and checksum, when it turned out to be damaged
        self.valkey = open_valkey(
            settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5, decode_responses=True
        )

    @property
    def is_stale(self) -> bool:
        """Whether the state may be out of date, because the last refresh failed or the present one is stuck."""
        started = self.refresh_started_at
        return self.stale_since is not None or (started is not None and time.monotonic() - started > STALE_SECONDS)

    @contextmanager
    def _pause_stale_clock(self) -> Iterator[None]:
        """Do not count the block as time in which a server does not answer: compiling the kernels of a first model can take minutes."""
        is_running = self.refresh_started_at is not None
        self.refresh_started_at = None
        try:
            yield
        finally:
            if is_running:
                self.refresh_started_at = time.monotonic()

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded and its kernels are compiled; always true where requests load it themselves."""
        return self.ready.is_set() or not self.is_refreshed_by_thread

    def get_state(self, *, now: datetime) -> ServingState:
        """Return the current state; refresh it first if no thread does so and a second has passed.

        Errors: DatabaseError if nothing is loaded yet and the database is down.
        """
        if self.state is None and self.is_refreshed_by_thread:
            self.can_answer.wait()
        if self.state is None:
            with self.lock:
                if self.state is None:
                    self.refresh(now=now)
        elif (
            not self.has_refresh_thread
            and (self.state.model is None or time.monotonic() - self.refreshed_at > REFRESH_INTERVAL_SECONDS)
            # while another request refreshes, this one uses the present state instead of waiting
            and self.lock.acquire(blocking=False)
        ):
            try:
                self.refresh(now=now)
            finally:
                self.lock.release()
        assert self.state is not None
        return self.state

    def preload(self, *, now: datetime) -> None:
        """Load the catalog and the model in the process from which the workers are forked, which share them.

        The workers compile the kernels. If the database is down, they load the catalog too.
        """
        try:
            with self.lock, limit_database_wait():
                self._load_first_state(now=now)
        except Exception:
            logger.exception(
                "The model and the catalog could not be loaded before the start; each worker loads its own"
            )
        finally:
            # workers must not share connections, and inherit no threads
            stop_limiter()
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own
            self.valkey.connection_pool.disconnect()

    def refresh_forever(self) -> None:
        """Refresh every second in this thread; from then on requests never do.

        `can_answer` is set when the catalog is loaded, `ready` when the model is too; `can_answer` also after a failure.
        """
        self.is_refreshed_by_thread = True
        while True:
            started = time.monotonic()
            try:
                with self.lock:
                    self.refresh(now=timezone.now())
                self.has_refresh_thread = True
                self.ready.set()
            except Exception:
                logger.exception("Refreshing the model and the catalog failed; the loaded state stays in use")
            finally:
                connection.close()
                self.can_answer.set()
            time.sleep(max(REFRESH_INTERVAL_SECONDS - (time.monotonic() - started), 0.1))

    def refresh(self, *, now: datetime) -> None:
        """Load changes of model version, refresh, products, settings, rules and suppressions.

        Errors: DatabaseError if nothing is loaded yet and the database is down.
        """
        self.refreshed_at = self.refresh_started_at = time.monotonic()
        try:
            with limit_database_wait():
                self._refresh(now=now)
        except (DatabaseError, InterfaceError) as error:
            if self.state is None:
                raise
            if self.stale_since is None:
                self.stale_since = now
                logger.warning("The database is unreachable (%s); recommendations continue from memory", error)
            return
        finally:
            self.refresh_started_at = None
        self.stale_since = None

    def _refresh(self, *, now: datetime) -> None:
        self.refresh_count += 1
        before = self.prepared or self.state
        if before is None:
            before = self._load_first_state(now=now)
        if self.state is None and self.is_refreshed_by_thread:
            self.state = before.without_model()
            self.can_answer.set()
        state = self._load_active_model(before)
        is_thorough = not self.has_refresh_thread or self.refresh_count % FULL_CHECK_INTERVAL == 0
        state.products.refresh(now=now, thorough=is_thorough)
        if state.products.is_full:
            items = state.model.items if state.model is not None else IdMap.of([])
            products = state.products.rearrange(items)
            if state.model is not None:
                products.mark_sold(state.model.sold)
            state = replace(state, products=products, blends=None, number=next(_state_numbers))
            state.products.refresh(now=now, thorough=True)
        state = _group_products(_load_settings(state, now=now))
        if state.model is not None and state.blends is None:
            with self._pause_stale_clock():
                blends = CompiledBlends.compile(model=state.model, placements=state.placements, n=state.products.n)
                blends.warm_up(state.model)
            state = replace(state, blends=blends)
        state = compile_variants(state, read_running_experiments(state.variants.running))
        if self.warm_up is not None and state.model is not None:
            with self._pause_stale_clock():
                self.warm_up(state, now)
            self.warm_up = None
        is_other = self.prepared is not None or self.state is None or state.number != before.number
        self.state, self.prepared = state, None
        if is_other:
            exclude_from_collections()

    def _load_first_state(self, *, now: datetime) -> ServingState:
        """Return the catalog, in the order of the model's items, and the model, without its compiled blends."""
        state = self._load_active_model(
            ServingState("", None, ProductIndex(IdMap.of([]), more=Product.objects.count()))
        )
        state.products.refresh(now=now)
        self.prepared = _group_products(_load_settings(state, now=now))
        return self.prepared

    def _load_active_model(self, state: ServingState) -> ServingState:
        """Return the state with the active model version.

        The database is asked only if Valkey announces a change.
        """
        announced = self.read_announced_version()
        # An erasure on another machine changes the arrays of a version, not its name.
        is_check_due = bool(settings.FILE_STORE) and self.refresh_count % FULL_CHECK_INTERVAL == 0
        if announced and announced == state.name and self.has_refresh_thread and not is_check_due:
            return state
        active = ModelVersion.objects.filter(scenario=self.scenario, status=ModelVersion.Status.ACTIVE).first()
        if active is None:
            return state
        if get_serving_name(active) != announced:
            # Valkey was emptied, or announces a version of another database
            announce_active_version(scenario=self.scenario, version=get_serving_name(active))
        # both are needed: a refresh changes the arrays of a version, and two versions may have equal arrays
        is_loaded = (active.version, active.checksum + active.refresh_checksum) == (state.version, state.checksum)
        if is_loaded:
            if is_check_due:
                remove_unused_copies(dict(list_artifacts(active)))
            return state
        if self.is_known_damaged(active) or (state.model is not None and self.is_being_copied(active)):
            return state
        with self._pause_stale_clock():
            return self.load_model(state, active)

    def is_being_copied(self, record: ModelVersion) -> bool:
        """Return whether artifacts must first be copied from another machine; a background thread does so, and nothing waits for it."""
        wanted = [
            (name, checksum) for name, checksum in list_artifacts(record) if not has_copy(name=name, checksum=checksum)
        ]
        if not settings.FILE_STORE or not wanted:
            return False
        if self.fetcher.error:
            self.fetcher.error = ""
            self.damaged_at[make_content_key(record)] = time.monotonic()
        else:
            self.fetcher.start(*wanted)
        return True

    def read_announced_version(self) -> str:
        """Return the version that Valkey announces as active; "" if Valkey is down or does not know."""
        try:
            announced = self.valkey.hget(ACTIVE_MODELS_KEY, self.scenario)
        except redis.RedisError as error:
            logger.warning("Valkey is unreachable (%s); asking the database for the active model", error)
            return ""
        return str(announced) if announced else ""

    def is_known_damaged(self, record: ModelVersion) -> bool:
        """Return whether the arrays were damaged within the last minute.

        Later they may have been restored.
        """
        damaged_at = self.damaged_at.get(make_content_key(record), float("-inf"))
        return time.monotonic() - damaged_at < DAMAGED_RETRY_SECONDS

    def load_model(self, before: ServingState, record: ModelVersion) -> ServingState:
        """Return the state with another model version; the same state if its arrays are damaged."""
        try:
            artifact = open_published_artifact(name=record.artifact, checksum=record.checksum, verify_arrays=True)
            refresh = open_refresh(record)
            model = ServingModel.from_artifact(
                version=record.version, algorithm=record.algorithm, artifact=artifact, refresh=refresh
            )
        except DamagedArtifactError as error:
            self.damaged_at[make_content_key(record)] = time.monotonic()
            logger.error("%s cannot be served; the current model stays active: %s", record.version, error)
            return before
        # a state's checksum begins with that of its training, which determines the items; a refresh only appends to it
        has_same_items = before.model is not None and before.checksum.startswith(record.checksum)
        products = before.products if has_same_items else before.products.rearrange(model.items)
        products.mark_sold(model.sold)
        return replace(
            before,
            name=get_serving_name(record),
            checksum=record.checksum + record.refresh_checksum,
            model=model,
            products=products,
            blends=None,
            number=next(_state_numbers),
        )


def _load_settings(state: ServingState, *, now: datetime) -> ServingState:
    """Return the state with the current settings, suppressions and rules."""
    placements = read_placement_configs(state.placements)
    suppressions = read_suppression_list(state.suppressions)
    if suppressions is not state.suppressions:
        state = replace(state, suppressions=suppressions)
    if placements is not state.placements:
        state = replace(state, placements=placements, blends=None)
    rules = read_compiled_rules(before=state.rules, products=state.products, placements=state.placements, now=now)
    return state if rules is state.rules else replace(state, rules=rules)


def _group_products(state: ServingState) -> ServingState:
    """Return the state with the current product groups."""
    products, model = state.products, state.model
    near = model.near_identical if model is not None else None
    # a new product may be the parent of a group
    built_from = GroupSources(products, near, products.parents_generation, products.filled if products.parents else 0)
    if built_from.equals(state.groups_of):
        return state
    groups = ProductGroups.from_parents(products.find_parents(), near)
    groups.warm_up()
    return replace(state, groups=groups, groups_of=built_from)


def make_content_key(record: ModelVersion) -> tuple[str, str]:
    """Return name and checksum, because another database may have given the same name to other content."""
    return get_serving_name(record), record.checksum + record.refresh_checksum


def list_artifacts(record: ModelVersion) -> list[tuple[str, str]]:
    """Return name and checksum of the artifacts that serve a version: its own, and that of its refresh."""
    refresh = [(record.refresh, record.refresh_checksum)] if record.refresh else []
    return [(record.artifact, record.checksum), *refresh]


def open_refresh(record: ModelVersion) -> Artifact | None:
    """Return what changed since the version was trained.

    None without a refresh or with a damaged one.
    """
    if not record.refresh:
        return None
    try:
        return open_published_artifact(name=record.refresh, checksum=record.refresh_checksum)
    except DamagedArtifactError as error:
        logger.error("%s is served without its refresh: %s", record.version, error)
        return None


loader = StateLoader()
