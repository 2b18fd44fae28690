"""Erasing a customer who has left a trace everywhere: nothing is found afterwards, and no result changes."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from config.access.audit.seals import seal_entries, verify_entries
from config.backup.erasure_ledger import get_local_ledger, read_lines, remember_folder
from config.backup.file_dump import stage_files, stage_folder
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.personal_data import registry
from config.foundation.personal_data.file_roots import list_files
from config.foundation.personal_data.inventory import list_unknown_names
from config.foundation.personal_data.locations import LocationKind
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import find_store, list_stores
from customers.erasure import runner
from customers.erasure.model_flags import list_flagged_models
from customers.erasure.models import ErasedPerson, ErasureRun
from customers.erasure.people import describe_person
from customers.erasure.preparation import prepare_person, read_people
from customers.erasure.proof import tables
from customers.erasure.proof.verification import prove_run, prove_runs, search_everything
from customers.erasure.runner import NobodyToEraseError, erase_customers, execute_run, resume_erasures
from customers.events.models import Event, RejectedEvent
from customers.feedback.models import Review, SurveyAnswer
from customers.identity.erased.blocked_identifiers import block_identifiers, blocked_index, release_identifiers
from customers.identity.merging.merge import merge_customers
from customers.identity.models import BlockedIdentifier, Customer, Identifier
from customers.imports.models import ImportRun
from customers.orders.models import Order
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import compute_results
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifacts import open_artifact
from recommendations.training.runs import TRAINING_LOCK
from tests.customers.erasure.shop_with_traces import (
    EMAIL,
    NAME,
    PHONE,
    USER,
    VISITOR,
    count_rows,
    make_ada,
    make_traces,
    use_own_folders,
)
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(days=30)


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    use_own_folders(settings, tmp_path)
    monkeypatch.setattr(runner, "SETTLING", timedelta(0))
    monkeypatch.setattr(runner, "start_worker", lambda run_id: None)
    yield tmp_path
    blocked_index.expire()


def read_results(campaign: Campaign) -> dict[str, Any]:
    """Return the money and the counts that must not change."""
    comparison = compute_results(campaign, as_of=LATER).comparison
    groups = [
        (group.customers, group.reached, group.orders, group.revenue)
        for group in (comparison.treated, comparison.control)
    ]
    clicked = (comparison.treated.orders_after_click, comparison.treated.revenue_after_click)
    return {
        "groups": groups,
        "clicked": clicked,
        "lift": comparison.conversion,
        "orders": Order.objects.aggregate(total=Sum("total"))["total"],
        "buyers": Order.objects.exclude(customer=None).values("customer").distinct().count(),
        "rating": Review.objects.aggregate(sum=Sum("rating"))["sum"],
        "score": SurveyAnswer.objects.aggregate(sum=Sum("score"))["sum"],
        "events": Event.objects.values("name", "product_ids").count(),
    }


def list_texts(person_texts: tuple[str, ...] = (USER, VISITOR, NAME, EMAIL, PHONE)) -> tuple[str, ...]:
    return person_texts


def test_nothing_of_an_erased_customer_is_found_and_no_result_changes(valkey: redis.Redis, folders: Path) -> None:
    ada = make_ada()
    campaign = make_traces(ada, valkey, folders)
    seal_entries(now=NOON)
    before, rows, person = read_results(campaign), count_rows(), describe_person(ada)
    assert set(list_texts()) <= set(person.search_terms)
    run = erase_customers([ada.pk], requested_by="test", at=NOON)
    assert not Identifier.objects.filter(value=USER).exists()  # effective before a worker has done anything
    run = execute_run(run.pk)
    assert (run.status, run.error, run.percent) == ("done", "", 100)
    assert search_everything([person]).findings == []
    assert not Customer.objects.filter(pk=ada.pk).exists()
    assert read_results(campaign) == before
    assert {**rows, "events.RejectedEvent": rows["events.RejectedEvent"] - 1} == count_rows()
    assert verify_entries(now=LATER).is_intact
    version = ModelVersion.objects.get()
    open_artifact(folder=folders / "models" / "blend-1", checksum=version.checksum, verify_arrays=True)
    assert [model.label for model in list_flagged_models()] == ["recommendations"]
    assert "bob" in (folders / "exports" / "import-uploads" / "customers.csv").read_text()
    assert valkey.exists("recent:user_id:bob")
    assert valkey.llen("celery:celery") == 1
    assert execute_run(run.pk).attempts == 1  # a second start does nothing
    assert prove_run(run).is_clean
    assert not ErasedPerson.objects.exists()
    call_command("verify_erasure", run=run.pk)


@pytest.mark.parametrize(
    "left_out",
    [
        "events.stored",
        "warehouse.files",
        "sending.events",
        "events.recent",
        "imports.files",
        "training.artifacts",
        "access.audit_log",
    ],
)
def test_the_proof_finds_a_store_that_was_left_out(
    valkey: redis.Redis, folders: Path, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    ada = make_ada()
    make_traces(ada, valkey, folders)
    person = describe_person(ada)
    stores = {store.key: store for store in list_stores()}
    with monkeypatch.context() as context:
        context.setattr(registry, "_stores", {key: store for key, store in stores.items() if key != left_out})
        run = execute_run(erase_customers([ada.pk], requested_by="test", at=NOON).pk)
        assert run.status == "done"
    findings = search_everything([person]).findings
    assert {finding.store for finding in findings} == {left_out}
    with pytest.raises(SystemExit):
        call_command("verify_erasure", run=run.pk)
    run.refresh_from_db()
    assert run.status == "traces"
    assert resume_erasures() == 1
    assert search_everything([person]).findings == []
    assert resume_erasures() == 0
    assert prove_runs() == 1
    run.refresh_from_db()
    assert (run.status, run.findings) == ("proven", [])


def test_a_trace_that_cannot_be_erased_is_tried_once_after_each_proof(
    valkey: redis.Redis, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = make_ada()
    make_traces(ada, valkey, folders)
    store = next(store for store in list_stores() if store.key == "imports.files")
    erased: list[Any] = []

    def erase_nothing(people: Any) -> int:
        erased.append(people)
        return 0

    monkeypatch.setattr(store, "erase", erase_nothing)
    run = execute_run(erase_customers([ada.pk], requested_by="test", at=NOON).pk)
    tries = len(erased)
    for _night in range(2):
        assert prove_runs() == 0
        assert [resume_erasures() for _minute in range(3)] == [1, 0, 0]
    run.refresh_from_db()
    assert (run.status, run.attempts, len(erased) - tries) == ("done", 3, 2 * tries)


def test_all_erasures_are_proven_in_one_search_even_if_one_has_left_traces(
    valkey: redis.Redis, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = folders / "exports" / "import-uploads" / "customers.csv"
    upload.parent.mkdir(parents=True)
    upload.write_text("id\ncustomer-ada-4711\n")
    report = {"duplicate: customer-ada-4711": 1}
    ImportRun.objects.create(kind="customers", started_at=NOON, created_at=NOON, problems=report)
    valkey.set("cache:figures", "customer-ada-4711")
    customers = {name: make_customer(f"customer-{name}-4711") for name in ("ada", "ben", "chen")}
    with monkeypatch.context() as context:
        for store in list_stores():
            if store.key in {"imports.files", "imports.runs", "access.cache", "identity.customers"}:
                context.setattr(store, "erase", leave_out(customers["ada"].pk, store.erase))
        runs = {
            name: execute_run(erase_customers([customer.pk], requested_by="test", at=NOON).pk)
            for name, customer in customers.items()
        }
    searched: list[str] = []
    monkeypatch.setattr(tables, "search_texts", count_calls(tables.search_texts, searched))
    assert prove_runs() == 2
    assert sorted(searched) == sorted(table.name for table in tables.list_tables())
    for run in runs.values():
        run.refresh_from_db()
    assert {name: run.status for name, run in runs.items()} == {"ada": "traces", "ben": "proven", "chen": "proven"}
    assert {(item["location"], item["count"]) for item in runs["ada"].findings if item["by"] == "text"} >= {
        ("file exports/import-uploads/customers.csv", 1),
        ("key cache:figures", 1),
        ("table imports_importrun.problems", 1),
    }
    assert ("table identity_customer.id", 1) in {(item["location"], item["count"]) for item in runs["ada"].findings}


def leave_out(customer_id: int, erase: Any) -> Any:
    """Return an erasure of a store that does nothing for a customer."""
    return lambda people: 0 if customer_id in {person.customer_id for person in people} else erase(people)


def count_calls(function: Any, calls: list[str]) -> Any:
    """Return a function that also records the name of the table it is called with."""

    def record(searched: Any, *arguments: Any) -> Any:
        calls.append(searched.name)
        return function(searched, *arguments)

    return record


def test_every_file_and_key_of_the_shop_is_registered(valkey: redis.Redis, folders: Path) -> None:
    make_traces(make_ada(), valkey, folders)
    names = [name for name, _path in list_files()]
    assert len(names) > 5
    assert list_unknown_names(LocationKind.FILE, names) == []
    keys = [key.decode() for key in valkey.scan_iter()]
    assert list_unknown_names(LocationKind.KEY, keys) == []
    assert list_unknown_names(LocationKind.FILE, ["var/planted/people.csv"]) == ["var/planted/people.csv"]
    assert list_unknown_names(LocationKind.KEY, ["planted:ada"]) == ["planted:ada"]


def test_an_erasure_leaves_the_links_of_a_running_backup_alone(folders: Path) -> None:
    ada = make_customer(USER)
    upload = folders / "exports" / "import-uploads" / "customers.csv.gz"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(gzip.compress(f"{USER}\n".encode()))
    store = find_store("imports.files")
    assert store is not None
    with stage_folder() as staging:
        staged = [file for file in stage_files(staging) if file.path == "import-uploads/customers.csv.gz"]
        assert store.erase([describe_person(ada)]) == 1
        assert not upload.exists()
        assert [file.copy.exists() for file in staged] == [True]


def test_the_proof_does_not_erase_a_person_who_came_back_before_it(valkey: redis.Redis, folders: Path) -> None:
    ada = make_ada()
    make_traces(ada, valkey, folders)
    run = erase_customers([ada.pk], requested_by="chen")
    run = execute_run(run.pk)
    release_identifiers([(Identifier.Kind.USER_ID.value, USER)], at=LATER, by="test")
    back = make_customer(USER, name=NAME, email=EMAIL)
    assert prove_runs() == 1
    run.refresh_from_db()
    assert (run.status, run.findings) == (ErasureRun.Status.PROVEN, [])
    back.refresh_from_db()
    assert (back.name, back.email, back.identifiers.get().value) == (NAME, EMAIL, USER)


@pytest.mark.django_db(transaction=True)
def test_the_command_releases_identifiers_of_an_erasure_that_is_not_proven_yet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    block_identifiers([("user_id", USER)], at=NOON)
    run = ErasureRun.objects.create(requested_by="test", finished_at=NOON)
    person = Person(1, identifiers=(("user_id", USER), ("anonymous_id", VISITOR)), search_terms=(USER, VISITOR, NAME))
    ErasedPerson.objects.create(run=run, customer_id=1, content=json.dumps(person.to_json()))
    call_command("release_identifiers", f"user_id={USER}")
    assert "1 of 1 identifiers" in capsys.readouterr().out
    [kept] = read_people(run)
    assert (kept.identifiers, kept.search_terms) == ((("anonymous_id", VISITOR),), (VISITOR,))


def test_a_failed_step_is_repeated_and_the_others_are_done(
    valkey: redis.Redis, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = make_ada()
    make_traces(ada, valkey, folders)
    store = next(store for store in list_stores() if store.key == "warehouse.files")

    def fail(people: Any) -> int:
        raise OSError(f"No space left for {USER}")

    with monkeypatch.context() as context:
        context.setattr(store, "erase", fail)
        run = execute_run(erase_customers([ada.pk], requested_by="test", at=NOON).pk)
    assert run.status == "pending"
    assert "warehouse.files: OSError: No space left" in run.error
    assert USER not in run.error
    done, total = run.progress
    assert done == total - 1
    # the person is erased already as far as possible: no restore of an earlier backup may bring them back
    [line] = read_lines(get_local_ledger())
    assert ada.pk in json.loads(line)["customers"]
    assert resume_erasures() == 1
    assert read_lines(get_local_ledger()) == [line]
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("done", 2)


def test_an_erasure_that_could_not_be_recorded_for_restores_is_ended_again(
    valkey: redis.Redis, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = make_customer("ada")
    run = erase_customers([ada.pk], requested_by="test", at=NOON)

    def fail(**details: Any) -> None:
        raise OSError("No space left")

    with monkeypatch.context() as context:
        context.setattr("config.backup.repeated_erasures.record_erasure", fail)
        assert resume_erasures() == 0
    run.refresh_from_db()
    assert not run.is_finished
    assert resume_erasures() == 1
    run.refresh_from_db()
    assert run.status == "done"
    [line] = read_lines(get_local_ledger())
    assert json.loads(line)["customers"] == [ada.pk]


def test_the_command_names_backups_in_which_the_erasure_is_not_recorded(
    valkey: redis.Redis, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember_folder(folders / "unmounted", at=NOON)
    ada = make_customer("ada")
    call_command("erase_customer", str(ada.pk))
    output = capsys.readouterr()
    assert "1 customer erased" in output.out
    assert f"The backups in {folders / 'unmounted'} cannot be reached" in output.err
    assert ErasureRun.objects.get().is_finished


def test_erasing_again_returns_the_same_run_and_nobody_is_an_error(valkey: redis.Redis, folders: Path) -> None:
    ada = make_ada()
    run = erase_customers([ada.pk], requested_by="test", at=NOON)
    assert erase_customers([ada.pk], requested_by="test", at=NOON) == run
    assert ErasureRun.objects.count() == 1
    with pytest.raises(NobodyToEraseError):
        erase_customers([ada.pk + 10**9], requested_by="test", at=NOON)
    assert BlockedIdentifier.objects.count() == len(describe_identifiers(run))


def test_two_processes_that_prepare_a_run_lose_nobody(valkey: redis.Redis, folders: Path) -> None:
    ada = make_ada()
    make_traces(ada, valkey, folders)
    run = erase_customers([ada.pk], requested_by="test", at=NOON)
    # another process had read the same customers before it waited for the lock
    with transaction.atomic():
        prepare_person(run, ada.pk, at=NOON)
    [person] = read_people(run)
    assert execute_run(run.pk).status == "done"
    assert search_everything([person]).findings == []
    assert prove_run(run).is_clean


def test_who_was_merged_while_the_erasure_waited_is_erased_as_the_kept_customer(
    valkey: redis.Redis, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, ada, other = make_customer("ann"), make_customer("ada"), make_customer("bob")
    with monkeypatch.context() as context:
        context.setattr(runner, "PREPARED_INLINE", 0)
        run = erase_customers([ada.pk], requested_by="test", at=NOON)
    merge_customers(pairs=[(kept.pk, ada.pk)], at=NOON, causes=["test"])
    assert execute_run(run.pk).status == "done"
    assert list(Identifier.objects.values_list("value", flat=True)) == ["bob"]
    assert list(Customer.objects.filter(erased_at=None)) == [other]


def test_an_erasure_is_effective_from_its_commit(valkey: redis.Redis, folders: Path) -> None:
    began = timezone.now()
    run = erase_customers([make_customer("ada").pk], requested_by="test", at=NOON)
    assert run.effective_at is not None
    assert run.effective_at >= began, "what was being stored while it waited for the lock must still be erased"


def describe_identifiers(run: ErasureRun) -> tuple[tuple[str, str], ...]:
    [person] = read_people(run)
    return person.identifiers


def test_a_dry_run_changes_nothing(valkey: redis.Redis, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ada = make_ada()
    make_traces(ada, valkey, folders)
    call_command("erase_customer", ada.pk, dry_run=True)
    printed = capsys.readouterr().out
    for key in ("orders.orders", "events.stored", "warehouse.files", "sending.rendered", "imports.files"):
        assert key in printed
    call_command("erase_customer", user_id=[USER], dry_run=True)
    assert capsys.readouterr().out == printed
    assert not ErasureRun.objects.exists()
    assert RejectedEvent.objects.count() == 2


def test_the_command_erases_by_user_id_and_refuses_an_unknown_one(
    valkey: redis.Redis, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = make_customer("ada")
    with pytest.raises(CommandError, match="user ID nobody"):
        call_command("erase_customer", user_id=["ada", "nobody"])
    with pytest.raises(CommandError, match="--user-id"):
        call_command("erase_customer")
    assert not ErasureRun.objects.exists()
    call_command("erase_customer", ada.pk, user_id=["ada"])
    assert "1 customer erased" in capsys.readouterr().out
    assert not Customer.objects.filter(pk=ada.pk, erased_at=None).exists()
    assert not Identifier.objects.filter(value="ada").exists()


def test_the_proof_waits_for_a_training_that_began_before_the_erasure(valkey: redis.Redis, folders: Path) -> None:
    ada = make_ada()
    training = EvaluationRun.objects.create(started_at=NOON)
    run = execute_run(erase_customers([ada.pk], requested_by="test", at=LATER).pk)
    with exclusive_lock(TRAINING_LOCK):
        assert prove_runs() == 0
        with pytest.raises(CommandError, match=r"training\.artifacts"):
            call_command("verify_erasure", run=run.pk)
        EvaluationRun.objects.filter(pk=training.pk).update(started_at=LATER)  # it has read nothing of the person
        assert prove_runs() == 1
