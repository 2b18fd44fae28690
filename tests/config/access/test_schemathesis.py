"""Every operation matches the OpenAPI document, for any request and any caller.

Schemathesis generates the requests from the document: examples, cases at and beyond every limit, and random ones. They go through
the real web server, so that its own responses are tested too. ``schemathesis.toml`` configures these tests and the command line.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core import NOT_SET
from schemathesis.core import jsonschema as validators
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.access.scopes import KNOWN_SCOPES
from tests.child_processes import PROJECT
from tests.clients.web_server import run_web_server
from tests.config.access.callers import make_key
from tests.config.access.sample_objects import SAMPLE_IDS

DOCUMENT = "/api/v1/schema/"
PROBLEM = "application/problem+json"
RESPONSE_CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_headers_conformance, response_schema_conformance),
]

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


@dataclass
class FuzzResult:
    """The result of a run; ``statuses`` counts the responses by status and media type."""

    operations: int = 0
    cases: int = 0
    failures: list[str] = field(default_factory=list)
    statuses: Counter[tuple[int, str]] = field(default_factory=Counter)

    def __add__(self, other: "FuzzResult") -> "FuzzResult":
        return FuzzResult(
            self.operations + other.operations,
            self.cases + other.cases,
            self.failures + other.failures,
            self.statuses + other.statuses,
        )


@pytest.fixture
def address(transactional_db: None, valkey: redis.Redis, settings: Any, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a web server with a trained shop and definition object of each type; fail if it logs an error."""
    from customers.warehouse.export import export_warehouse
    from tests.makers import NOON
    from tests.recommendations.trainings import train_reproducibly

    settings.TRAINING_SECONDS, settings.WAREHOUSE_URL = 2, str(tmp_path / "warehouse")
    settings.MODELS_DIR = tmp_path / "models"
    make_sample_data()
    export_warehouse(started_at=NOON)
    train_reproducibly()
    folders = {
        "MODELS_DIR": "models",
        "WAREHOUSE_URL": "warehouse",
        "MERCHANDISING_DIR": "rules",
        "EXPORTS_DIR": "exports",
    }
    log = tmp_path / "log"
    variables = {"PUBLIC_API_DOCS": "true", **{name: str(tmp_path / folder) for name, folder in folders.items()}}
    with run_web_server(log=log, **variables) as url:
        yield url
    assert " ERROR " not in (output := log.read_text()), output[max(output.index(" ERROR ") - 200, 0) :][:5000]


def make_sample_data() -> None:
    from customers.feedback.models import Review
    from recommendations.campaigns.models import Campaign
    from recommendations.merchandising.choices import RuleAction
    from recommendations.merchandising.models import Rule
    from tests.customers.demand.makers import make_forecast, make_restock_item
    from tests.makers import NOON, make_consent, make_segment
    from tests.recommendations.shop import get_customer, make_tea_and_coffee_shop

    products = make_tea_and_coffee_shop()
    make_consent(get_customer("user-0"))
    segment = make_segment("everyone")
    Campaign.objects.create(key="spring", name="Spring", segment=segment)
    Rule.objects.create(name="Sell the tea", action=RuleAction.BOOST, factor=2, category="Drinks > tea")
    Review.objects.create(review_id="review-1", product=products["tea-1"], rating=5, written_at=NOON)
    make_forecast(products["tea-1"], as_of=NOON)
    make_restock_item(products["tea-1"], as_of=NOON)


@pytest.fixture(autouse=True, scope="module")
def large_caches() -> None:
    """Let Schemathesis keep the validators of all operations; with its own limits it builds most of them again and again."""
    for cache in (validators.validator_cache, validators._bundle_registry_cache, validators._seeded_validator_cache):
        cache._maxsize = 100_000


def run_schemathesis(
    address: str, *, key: str | None, examples: int, phases: list[str], only: Callable[[Any], bool] | None = None
) -> FuzzResult:
    """Send requests to all operations, or to those whose definition passes ``only``, with this key."""
    config = SchemathesisConfig.from_path(PROJECT / "schemathesis.toml")
    project = config.projects.default
    project.generation.update(max_examples=examples)
    project.phases.update(phases=phases)
    if key is not None:
        project.update(headers={"Authorization": f"Bearer {key}"})
    schema = schemathesis.openapi.from_url(f"{address}{DOCUMENT}", config=config)
    if only is not None:
        schema = schema.include(lambda context: only(context.operation.definition.raw))
    result = FuzzResult(operations=schema.statistic.operations.selected)
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            result.failures.append(f"{event.label}: {event.info.title}: {event.info.message}")
        elif isinstance(event, events.ScenarioFinished):
            record_scenario(result, event.label or event.phase.value, event.recorder)
    return result


def record_scenario(result: FuzzResult, label: str, recorder: ScenarioRecorder) -> None:
    result.cases += len(recorder.cases)
    for interaction in recorder.interactions.values():
        if (response := interaction.response) is not None:
            result.statuses[response.status_code, response.headers.get("content-type", [""])[0]] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status == Status.FAILURE and check.failure_info is not None:
                response = recorder.interactions[case_id].response
                output = (
                    ""
                    if response is None
                    else f"{response.status_code} {response.content[:1000].decode(errors='replace')}"
                )
                result.failures.append(
                    format_failure(label, check.failure_info.failure, check.failure_info.code_sample, output)
                )


def format_failure(label: str, failure: Failure, request: str, response: str) -> str:
    return f"{label}: {failure.title}\n{failure.message}\n{request[:2000]}\n{response}"


def is_publishable(definition: dict[str, Any]) -> bool:
    return bool(definition.get("x-publishable"))


def find_wrong_refusals(address: str, *, key: str | None, status: int, only: Callable[[Any], bool]) -> list[str]:
    """Call all operations whose definition passes ``only`` without permission; return the responses that are no such problem."""
    config = SchemathesisConfig.from_path(PROJECT / "schemathesis.toml")
    schema = schemathesis.openapi.from_url(f"{address}{DOCUMENT}", config=config)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    wrong, n_operations = [], 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if not only(operation.definition.raw):
            continue
        n_operations += 1
        path_parameters = {parameter.name: SAMPLE_IDS[parameter.name] for parameter in operation.path_parameters}
        for body in ({}, [1]) if operation.body else (NOT_SET,):
            case = operation.Case(path_parameters=path_parameters, body=body, media_type="application/json")
            response = case.call(headers=headers)
            if (response.status_code, response.headers["content-type"][0]) != (status, PROBLEM):
                wrong.append(f"{operation.label}: {response.status_code} {response.content[:200]!r}")
            try:
                case.validate_response(response, checks=RESPONSE_CHECKS)
            except FailureGroup as failures:
                wrong.append(f"{operation.label}: {failures}")
    assert n_operations > 40
    return wrong


def test_every_operation_matches_its_description_for_each_kind_of_key(address: str) -> None:
    """The server and its shop take longer to start than a caller without permission takes to be refused: one test for all callers."""
    publishable, secret = make_key(kind="publishable")[1], make_key(*KNOWN_SCOPES)[1]
    storefront = run_schemathesis(
        address, key=publishable, examples=2, phases=["examples", "coverage", "fuzzing"], only=is_publishable
    )
    failures = [f"publishable key: {failure}" for failure in storefront.failures]
    assert storefront.operations >= 3
    assert storefront.statuses[200, "application/json"] > storefront.operations

    result = run_schemathesis(
        address,
        key=secret,
        examples=2,
        phases=["examples", "coverage", "fuzzing"],
        only=lambda definition: not is_publishable(definition),
    )
    # the cases at and beyond the limits of these operations are those of the publishable key
    result += run_schemathesis(address, key=secret, examples=2, phases=["examples", "fuzzing"], only=is_publishable)
    failures += [f"secret key: {failure}" for failure in result.failures]
    assert result.operations > 40
    assert result.statuses[200, "application/json"] > result.operations

    failures += find_wrong_refusals(address, key=None, status=401, only=lambda definition: True)
    failures += find_wrong_refusals(
        address, key=publishable, status=403, only=lambda definition: not is_publishable(definition)
    )
    assert not failures, "\n\n".join(failures)
