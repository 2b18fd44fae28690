"""Checks of the data: model, warehouse, events, alarms, backup and encryption keys."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.backup.erasure_ledger import find_incomplete_ledgers
from config.backup.status import read_backup_status
from config.encryption_keys.hash_samples import are_hash_keys_right
from config.foundation.number_formats import format_age, format_count, format_duration
from config.monitoring.alarms.messages import describe_alarm
from config.monitoring.doctor.base import (
    Diagnosis,
    DoctorCheck,
    report_error,
    report_ok,
    report_skipped,
    report_warning,
)
from config.monitoring.models import Alarm, AlarmState
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.processing.lag import measure_lag
from customers.warehouse.models import ExportRun
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifact_copies import open_published_artifact
from recommendations.training.registry.artifacts import DamagedArtifactError

MODEL_IS_OLD, WAREHOUSE_IS_OLD = timedelta(days=7), timedelta(hours=36)
LAG_SECONDS = 300


def check_model() -> Iterator[Diagnosis]:
    """Open the active models and compare their checksums."""
    now = timezone.now()
    active = list(ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE))
    if not active:
        yield report_skipped(_("no model yet: recommendations are fallbacks until the first training"))
    for model in active:
        try:
            open_published_artifact(name=model.artifact, checksum=model.checksum)
        except (OSError, DamagedArtifactError) as error:
            yield report_error(
                _("%(model)s cannot be loaded: %(error)s") % {"model": model.version, "error": error},
                _("Restore MODELS_DIR from the backup, or train again: manage.py train"),
            )
            continue
        age = format_age(model.as_of, as_of=now)
        text = _("%(model)s loads; its data ends %(ago)s") % {"model": model.version, "ago": age}
        if now - model.as_of > MODEL_IS_OLD:
            yield report_warning(text, _("Find out why the last training runs failed or were not promoted."))
        else:
            yield report_ok(text)


def check_warehouse() -> Iterator[Diagnosis]:
    exported_at = ExportRun.objects.filter(error="").aggregate(at=Max("started_at"))["at"]
    now = timezone.now()
    if exported_at is None:
        yield report_skipped(_("nothing was exported yet"))
    elif now - exported_at > WAREHOUSE_IS_OLD:
        yield report_warning(
            _("last export %(ago)s") % {"ago": format_age(exported_at, as_of=now)},
            _("Run manage.py export_warehouse, and see why the job “Export to the warehouse” did not."),
        )
    else:
        yield report_ok(_("last export %(ago)s") % {"ago": format_age(exported_at, as_of=now)})


def check_events() -> Iterator[Diagnosis]:
    lag = measure_lag(at=timezone.now())
    text = _("%(count)s events are waiting, the oldest for %(time)s") % {
        "count": format_count(lag.waiting),
        "time": format_duration(lag.oldest_seconds),
    }
    if lag.oldest_seconds > LAG_SECONDS:
        yield report_error(
            text, _("Check that the worker for frequent jobs is running, and check the last runs of “Process events”.")
        )
    else:
        yield report_ok(text if lag.waiting else _("no events are waiting"))


def check_alarms() -> Iterator[Diagnosis]:
    alarms = list(Alarm.objects.exclude(state=AlarmState.RESOLVED))
    for alarm in alarms:
        message = describe_alarm(alarm)
        yield report_warning(message.title, message.advice)
    if not alarms:
        yield report_ok(_("none is open"))


def check_backup() -> Iterator[Diagnosis]:
    now = timezone.now()
    status = read_backup_status(now=now)
    if not status.is_configured:
        yield report_warning(
            _("no scheduled backup"), _("Set BACKUP_DIR to a folder on another disk, or back up by other means.")
        )
    elif status.last_at is None and not status.problem:
        yield report_warning(
            _("no backup in %(folder)s yet; the nightly job makes the first one") % {"folder": settings.BACKUP_DIR},
            _("Nothing to fix. To make a backup now: manage.py backup %(folder)s") % {"folder": settings.BACKUP_DIR},
        )
    elif status.problem or status.last_at is None:
        yield report_error(status.problem, _("See why the backup job failed, or run manage.py backup."))
    else:
        yield report_ok(_("last backup %(ago)s") % {"ago": format_age(status.last_at, as_of=now)})
    for folder in find_incomplete_ledgers():
        yield report_warning(
            _(
                "the backups in %(folder)s cannot be reached or do not have all erasures: a restore may bring customers back"
            )
            % {"folder": folder},
            _(
                "Mount the folder and run manage.py backup %(folder)s. If its backups no longer exist, run manage.py backup "
                "%(folder)s --forget."
            )
            % {"folder": folder},
        )


def check_keys() -> Iterator[Diagnosis]:
    """Decrypt the address of the oldest and of the newest customer, and find customers by their address.

    So wrong keys are noticed before anything is sent or stored with them.
    """
    addresses = Customer.objects.exclude(email="").values_list("email", flat=True)
    try:
        values = [addresses.order_by(order).first() for order in ("pk", "-pk")]
    except UnreadableFieldError:
        yield report_error(
            _("stored addresses cannot be read with the present keys"),
            _("Restore the missing key with %(command)s.") % {"command": "manage.py restore_keys"},
        )
        return
    if any(values) and are_hash_keys_right() is False:
        yield report_error(
            _("customers cannot be found by their address: HASH_KEYS is not the key of this database"),
            _("Restore the missing key with %(command)s, or correct HASH_KEYS in the environment.")
            % {"command": "manage.py restore_keys"},
        )
    elif any(values):
        yield report_ok(_("stored addresses can be read, and customers are found by them"))
    else:
        yield report_skipped(_("no addresses are stored yet"))


DATA_CHECKS = (
    DoctorCheck("model", gettext_lazy("Model"), check_model),
    DoctorCheck("warehouse", gettext_lazy("Warehouse"), check_warehouse),
    DoctorCheck("events", gettext_lazy("Events"), check_events),
    DoctorCheck("alarms", gettext_lazy("Alarms"), check_alarms),
    DoctorCheck("backup", gettext_lazy("Backup"), check_backup),
    DoctorCheck("keys", gettext_lazy("Encryption keys"), check_keys),
)
