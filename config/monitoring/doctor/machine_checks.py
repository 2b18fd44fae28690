"""Checks of the machine: Python, packages, folders, secrets, settings, fonts and static files."""

import errno
import os
import platform
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import uuid4

from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.template.defaultfilters import filesizeformat
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.files.shared_store import SharedStore, SharedStoreError, get_shared_store
from config.foundation.files.write_errors import WRITE_ERRORS
from config.foundation.number_formats import format_percent
from config.monitoring.doctor.base import (
    Diagnosis,
    DoctorCheck,
    report_error,
    report_ok,
    report_skipped,
    report_warning,
)
from config.monitoring.server_state import list_disks
from customers.warehouse.parquet_files import get_warehouse_root

MIN_PYTHON = (3, 12)
PINNED = re.compile(r"^([A-Za-z0-9._\-]+)==([^ ;\\]+)([^\\\n]*)", re.MULTILINE)
FEW_BYTES, FEW_SHARE = 2 * 10**9, 0.1
# Django's checks of SECRET_KEY and DEBUG, which checks of ours report with the variable to set
REPORTED_ELSEWHERE = frozenset({"security.W009", "security.W018"})
# HTTPS_ONLY turns on all that these ask for; the check of the proxy reports that it is off
HTTPS_CHECKS = frozenset({"security.W004", "security.W008", "security.W012", "security.W016"})
# Django names its own settings, which an operator cannot set
SETTING_FIXES: dict[str | None, tuple[str | Promise, str | Promise]] = {
    "security.W004": (
        gettext_lazy("HSTS is off: browsers may open the site without HTTPS"),
        gettext_lazy("Set HSTS_SECONDS, for example to 31536000."),
    ),
    "security.W005": (
        gettext_lazy("HSTS does not include subdomains"),
        gettext_lazy("If every subdomain of the site answers HTTPS, set HSTS_INCLUDE_SUBDOMAINS=true."),
    ),
    "security.W021": (
        gettext_lazy("browsers cannot add the site to their list of HTTPS sites (HSTS preload)"),
        gettext_lazy("If the site should be on this list, set HSTS_PRELOAD=true."),
    ),
    "security.W020": (
        gettext_lazy("ALLOWED_HOSTS is empty: the web server rejects every request"),
        gettext_lazy("Set ALLOWED_HOSTS to the host names of the site, separated by commas."),
    ),
}
SECRET_FILES = ("secret-key", "field-keys", "hash-key")
MIN_SECRET = 32
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts")
CHINESE_FONT = re.compile(r"(CJK|SourceHan|PingFang|wqy|Hei|Song|Noto.*SC)", re.IGNORECASE)


def check_python() -> Iterator[Diagnosis]:
    text = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info[:2] < MIN_PYTHON:
        yield report_error(text, _("Install Python 3.12 or later, then make .venv again."))
    else:
        yield report_ok(text)


def check_packages() -> Iterator[Diagnosis]:
    """Compare the installed packages with the pinned set; an environment marker may leave some out."""
    pins = PINNED.findall((settings.BASE_DIR / "requirements" / "runtime.txt").read_text(encoding="utf-8"))
    different = []
    for name, pinned, marker in pins:
        try:
            installed = version(name)
        except PackageNotFoundError:
            if ";" not in marker:
                different.append(f"{name} ({_('missing')})")
            continue
        if installed != pinned:
            different.append(f"{name} {installed} ({pinned})")
    if different:
        yield report_warning(
            _("not as pinned: %(packages)s") % {"packages": ", ".join(sorted(different)[:10])},
            _("Install the pinned set: pip install --require-hashes -r requirements/runtime.txt"),
        )
    else:
        yield report_ok(_("%(count)d packages as pinned") % {"count": len(pins)})


def check_disk() -> Iterator[Diagnosis]:
    for disk in list_disks():
        text = _("%(path)s: %(free)s free (%(share)s)") % {
            "path": disk.path,
            "free": filesizeformat(disk.free),
            "share": format_percent(disk.free_share),
        }
        if disk.free < FEW_BYTES or disk.free_share < FEW_SHARE:
            yield report_error(
                text, _("Delete old backups and exports, shorten the retention of events, or add space.")
            )
        else:
            yield report_ok(text)


def check_permissions() -> Iterator[Diagnosis]:
    """Find folders and secrets that others can read, and folders that cannot be written."""
    folder = settings.VAR_DIR
    if not folder.is_dir():
        yield report_error(
            _("%(path)s does not exist") % {"path": folder}, _("Start Perennial once, or set PERENNIAL_VAR.")
        )
        return
    for path in [folder, *list_written_folders()]:
        if problem := find_write_problem(path):
            yield report_error(
                _("%(path)s cannot be written") % {"path": problem.filename}, describe_write_fix(problem)
            )
    for path in [folder / "secrets", *sorted((folder / "secrets").glob("*"))]:
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield report_error(_("other users can read %(path)s") % {"path": path}, f"chmod go= {path}")
    yield report_ok(_("the data folder is %(path)s") % {"path": folder})


def list_written_folders() -> list[Path]:
    """Return the folders that jobs and pages write to, which can be on disks of their own."""
    folders = [settings.MODELS_DIR, settings.EXPORTS_DIR, settings.MERCHANDISING_DIR, settings.MEDIA_ROOT]
    with suppress(ImproperlyConfigured):  # the warehouse is not on this machine
        folders.append(get_warehouse_root())
    if settings.BACKUP_DIR:
        folders.append(Path(settings.BACKUP_DIR))
    return [Path(folder).absolute() for folder in folders]


def find_write_problem(folder: Path) -> OSError | None:
    """Return why a file cannot be created in a folder or in one below it, such as one made by a command that ran as another user.

    Those below the data folder itself are not examined: PostgreSQL's belong to its own user.
    """
    if not folder.exists():
        return None
    probe = folder / ".doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return OSError(error.errno, error.strerror, str(folder))
    below = os.walk(folder) if folder != settings.VAR_DIR else iter(())
    for parent, names, _files in below:
        for path in (Path(parent) / name for name in names):
            if not os.access(path, os.W_OK | os.X_OK) and not path.is_symlink():
                return OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return None


def describe_write_fix(problem: OSError) -> str:
    """Return what to do about a folder that cannot be written."""
    if problem.errno == errno.EROFS:
        return _("Its file system is read-only. Check the disk, then mount it for writing: mount -o remount,rw")
    if problem.errno in WRITE_ERRORS:
        return _("Delete old backups and exports, shorten the retention of events, or add space.")
    return _("Run as the user who owns it, or change its owner: chown -R USER %(path)s") % {"path": problem.filename}


def check_file_store() -> Iterator[Diagnosis]:
    """Check that the file store is reachable, and find folders that only this machine has although several machines share the rest."""
    try:
        store = get_shared_store()
        if store is None:
            yield report_skipped(
                _("FILE_STORE is not set: fine for one machine, or if all machines mount the same folders")
            )
            return
        check_store_access(store)
    except SharedStoreError as error:
        yield report_error(
            str(error), _("Correct FILE_STORE, install the package of its file system, or check its permissions.")
        )
        return
    yield report_ok(_("FILE_STORE is reachable"))
    folders = {"EXPORTS_DIR": Path(settings.EXPORTS_DIR), "WAREHOUSE_URL": get_warehouse_root()}
    for name, folder in folders.items():
        if folder.is_relative_to(settings.VAR_DIR):
            yield report_error(
                _("%(name)s is %(path)s, a folder on this machine: the other machines cannot see its files")
                % {"name": name, "path": folder},
                _("Set %(name)s to a folder that all machines mount.") % {"name": name},
            )


def check_store_access(store: SharedStore) -> None:
    """Write, read and remove a small file: a path that does not exist would look like a store without files. Raises SharedStoreError."""
    name, content = f"doctor-{uuid4().hex}", b"written by manage.py doctor"
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        store.put(name, Path(file.name))
    try:
        if store.read(name) != content:
            raise SharedStoreError(f"{name} in FILE_STORE differs from what was written.")
    finally:
        store.remove(name)


def check_secrets() -> Iterator[Diagnosis]:
    """Find weak secrets, and secrets that are only in the data folder, whose loss makes personal data unreadable."""
    if len(settings.SECRET_KEY) < MIN_SECRET or len(settings.HASH_KEY) < MIN_SECRET:
        yield report_error(
            _("SECRET_KEY or HASH_KEY is shorter than %(count)d characters") % {"count": MIN_SECRET},
            _("Set a random text: python -c 'import secrets; print(secrets.token_urlsafe(50))'"),
        )
    if len(settings.FIELD_KEYS) > 1:
        yield report_warning(
            _("FIELD_KEYS has %(count)d keys: a rotation is not complete") % {"count": len(settings.FIELD_KEYS)},
            _("Complete it as docs/operations.md describes under Keys, then remove the old keys."),
        )
    generated = [name for name in SECRET_FILES if (settings.VAR_DIR / "secrets" / name).is_file()]
    if generated:
        yield report_ok(
            _("generated in %(path)s; back them up separately from the database")
            % {"path": settings.VAR_DIR / "secrets"}
        )
    else:
        yield report_ok(_("set by environment variables"))


def check_settings() -> Iterator[Diagnosis]:
    """Run Django's own deployment checks; those about HTTPS only matter with a public address."""
    messages = run_checks(include_deployment_checks=settings.PUBLIC_URL.startswith("https://"))
    left_out = REPORTED_ELSEWHERE if settings.SECURE_SSL_REDIRECT else REPORTED_ELSEWHERE | HTTPS_CHECKS
    found = [
        message
        for message in messages
        if message.level >= WARNING and not message.is_silenced() and message.id not in left_out
    ]
    for message in found:
        if message.id in SETTING_FIXES:
            text, fix = SETTING_FIXES[message.id]
            yield report_warning(str(text), str(fix))
        else:
            yield report_warning(f"{message.id}: {str(message.msg).split('. ')[0]}", str(message.hint or message.msg))
    if settings.DEBUG:
        yield report_error(_("DEBUG is on: errors show the source and the settings"), _("Unset DEBUG."))
    if not found and not settings.DEBUG:
        yield report_ok(_("no settings conflict"))


def check_fonts() -> Iterator[Diagnosis]:
    """Find a Chinese font for the images of products in emails."""
    if settings.CARD_FONT:
        if Path(settings.CARD_FONT).is_file():
            yield report_ok(settings.CARD_FONT)
        else:
            yield report_error(
                _("CARD_FONT=%(path)s does not exist") % {"path": settings.CARD_FONT},
                _("Set it to a font file, or unset it."),
            )
        return
    for folder in map(Path, FONT_FOLDERS):
        if folder.is_dir() and any(CHINESE_FONT.search(path.name) for path in folder.rglob("*.[ot]t[fc]")):
            yield report_ok(_("a Chinese font is installed"))
            return
    yield report_skipped(
        _(
            "no Chinese font: images of products in emails show boxes for Chinese titles; install fonts-noto-cjk if you need it"
        )
    )


def check_static_files() -> Iterator[Diagnosis]:
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if manifest.is_file():
        yield report_ok(_("collected in %(path)s") % {"path": settings.STATIC_ROOT})
    else:
        yield report_warning(
            _("not collected: files are served from the source, without hashed names"),
            _("Run manage.py collectstatic, or start with manage.py up."),
        )


MACHINE_CHECKS = (
    DoctorCheck("python", gettext_lazy("Python"), check_python),
    DoctorCheck("packages", gettext_lazy("Packages"), check_packages),
    DoctorCheck("disk", gettext_lazy("Disk"), check_disk),
    DoctorCheck("permissions", gettext_lazy("Permissions"), check_permissions),
    DoctorCheck("file-store", gettext_lazy("Files shared by several machines"), check_file_store),
    DoctorCheck("secrets", gettext_lazy("Secrets"), check_secrets),
    DoctorCheck("settings", gettext_lazy("Settings"), check_settings),
    DoctorCheck("static_files", gettext_lazy("Static files"), check_static_files),
    DoctorCheck("fonts", gettext_lazy("Fonts"), check_fonts),
)
