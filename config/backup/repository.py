"""A folder of backups: parts named by their content, so that equal contents are stored once, and a manifest per backup.

A backup exists once its manifest does, which is written last and renamed into place. The next backup reuses the intact parts of a killed one.
"""

import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from config.backup.encryption import CHECK_TEXT, SALT_BYTES, BackupCipher, PlainCipher
from config.encryption_keys.key_backup import MIN_PASSPHRASE
from config.foundation.files.private_files import make_private_folder

FORMAT = 1
DESCRIPTION, PARTS, MANIFESTS, LEDGER = "repository.json", "parts", "backups", "erasures.jsonl"
SUFFIX = ".manifest"
RAW, DEFLATED = b"\0", b"\1"
COMPRESSION_LEVEL = 3


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message gives the reason and the fix."""


class BackupRepository:
    """One folder of backups."""

    def __init__(self, folder: Path, *, passphrase: str = "") -> None:
        """Open a folder. Raises BackupError if it is not a backup folder, or the passphrase is wrong."""
        self.folder = folder
        description = self._read_description()
        if description["format"] > FORMAT:
            raise BackupError(f"{folder} was written by a newer version of Perennial. Restore it with that version.")
        self.is_encrypted: bool = description["is_encrypted"]
        self.cipher: BackupCipher | PlainCipher = PlainCipher()
        if self.is_encrypted:
            self.cipher = self._open_cipher(passphrase, description)
        self.new_bytes = 0
        self._names: set[str] | None = None

    @property
    def ledger(self) -> Path:
        """Return the file that names erasures, which a restore applies again."""
        return self.folder / LEDGER

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / DESCRIPTION).is_file()

    @classmethod
    def create(cls, folder: Path, *, passphrase: str = "") -> "BackupRepository":
        """Create the folder if it is empty or missing, and open it. Raises BackupError."""
        if not cls.exists(folder):
            if folder.exists() and any(folder.iterdir()):
                raise BackupError(f"{folder} is not empty and has no backups. Choose another folder for backups.")
            if passphrase and len(passphrase) < MIN_PASSPHRASE:
                raise BackupError(f"BACKUP_PASSPHRASE is too short. Use at least {MIN_PASSPHRASE} characters.")
            try:
                make_private_folder(folder)
                description: dict[str, Any] = {"format": FORMAT, "is_encrypted": bool(passphrase)}
                if passphrase:
                    salt = os.urandom(SALT_BYTES)
                    check = BackupCipher(passphrase, salt).encrypt(CHECK_TEXT)
                    description |= {"salt": salt.hex(), "check": check.hex()}
                for name in (PARTS, MANIFESTS):
                    (folder / name).mkdir(mode=0o700, exist_ok=True)
                write_durably(folder / DESCRIPTION, json.dumps(description).encode())
            except OSError as error:
                raise BackupError(f"{folder} cannot be written: {error.strerror}. Choose a writable folder.") from error
        return cls(folder, passphrase=passphrase)

    def _read_description(self) -> dict[str, Any]:
        try:
            description: dict[str, Any] = json.loads((self.folder / DESCRIPTION).read_bytes())
        except (OSError, ValueError) as error:
            raise BackupError(
                f"{self.folder} has no backups. Give the folder that `manage.py backup` wrote."
            ) from error
        return description

    def _open_cipher(self, passphrase: str, description: dict[str, Any]) -> BackupCipher:
        if not passphrase:
            raise BackupError(f"The backups in {self.folder} are encrypted. Set BACKUP_PASSPHRASE.")
        cipher = BackupCipher(passphrase, bytes.fromhex(description["salt"]))
        try:
            cipher.decrypt(bytes.fromhex(description["check"]))
        except ValueError as error:
            raise BackupError(f"BACKUP_PASSPHRASE does not match the backups in {self.folder}.") from error
        return cipher

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process at a time write to the folder. Raises BackupError."""
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BackupError(f"Another process is writing to {self.folder}. Wait until it has ended.") from error
            yield

    def store(self, content: bytes) -> str:
        """Store a part unless it exists; return its name."""
        name = self.cipher.name_part(content)
        if name not in self._list_names():
            packed = self.cipher.encrypt(pack(content))
            path = self._locate(name)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_bytes(packed)
            draft.replace(path)
            self._list_names().add(name)
            self.new_bytes += len(packed)
        return name

    def load(self, name: str) -> bytes:
        """Return the content of a part. Raises BackupError if it is missing or damaged."""
        try:
            content = unpack(self.cipher.decrypt(self._locate(name).read_bytes()))
        except FileNotFoundError as error:
            raise BackupError(f"Part {name} is missing in {self.folder / PARTS}.") from error
        except (OSError, ValueError, zlib.error) as error:
            raise BackupError(f"Part {name} in {self.folder / PARTS} is damaged: {error}.") from error
        if self.cipher.name_part(content) != name:
            raise BackupError(f"Part {name} in {self.folder / PARTS} is damaged: its checksum does not match.")
        return content

    def contains(self, names: Sequence[str]) -> bool:
        return self._list_names().issuperset(names)

    def save_manifest(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, with which the backup exists; all its parts are on the disk before."""
        os.sync()
        body = json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode()
        digest = blake2b(body, digest_size=32).hexdigest().encode()
        write_durably(self._locate_manifest(manifest["name"]), self.cipher.encrypt(pack(digest + body)))

    def load_manifest(self, name: str) -> dict[str, Any]:
        """Return the manifest of a backup. Raises BackupError."""
        try:
            content = unpack(self.cipher.decrypt(self._locate_manifest(name).read_bytes()))
        except FileNotFoundError as error:
            names = ", ".join(self.list_backups()) or "none"
            raise BackupError(f"There is no backup {name!r} in {self.folder}; existing: {names}.") from error
        except (OSError, ValueError, zlib.error) as error:
            raise BackupError(f"The manifest of {name} is damaged: {error}.") from error
        digest, body = content[:64], content[64:]
        if blake2b(body, digest_size=32).hexdigest().encode() != digest:
            raise BackupError(f"The manifest of {name} is damaged: its checksum does not match.")
        manifest: dict[str, Any] = json.loads(body)
        return manifest

    def list_backups(self) -> list[str]:
        """Return the names of the complete backups, oldest first."""
        return sorted(path.stem for path in (self.folder / MANIFESTS).glob(f"*{SUFFIX}"))

    def remove_old(self, *, keep: int) -> tuple[int, int]:
        """Remove all but the newest backups, and unused parts; return the numbers of removed backups and parts."""
        names = self.list_backups()
        for name in names[:-keep]:
            self._locate_manifest(name).unlink()
        used = {part for name in names[-keep:] for part in list_parts(self.load_manifest(name))}
        removed = 0
        for path in (self.folder / PARTS).glob("*/*"):
            if path.name not in used:
                path.unlink()
                removed += 1
        self._names = None
        return len(names[:-keep]), removed

    def measure_free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def _list_names(self) -> set[str]:
        """Return the names of the parts that can be used again.

        Only the parts of a complete backup are known to be on the disk: after a power failure, those of a killed one may be empty or
        torn, so they are read first. Empty ones of complete backups are stored again, too.
        """
        if self._names is None:
            paths = {path.name: path for path in (self.folder / PARTS).glob("*/*") if not path.suffix}
            names = {name for name, path in paths.items() if path.stat().st_size}
            complete = self._list_complete_parts()
            self._names = {name for name in names if name in complete or self._is_intact(name)}
        return self._names

    def _list_complete_parts(self) -> set[str]:
        """Return the names of the parts of complete backups; the parts of one whose manifest is damaged are not known."""
        parts: set[str] = set()
        for name in self.list_backups():
            with suppress(BackupError):
                parts.update(list_parts(self.load_manifest(name)))
        return parts

    def _is_intact(self, name: str) -> bool:
        try:
            self.load(name)
        except BackupError:
            return False
        return True

    def _locate(self, name: str) -> Path:
        return self.folder / PARTS / name[:2] / name

    def _locate_manifest(self, name: str) -> Path:
        return self.folder / MANIFESTS / f"{name}{SUFFIX}"


def list_parts(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all parts that a backup consists of."""
    yield from manifest["schema"]["before"]
    yield from manifest["schema"]["after"]
    for table in manifest["tables"]:
        yield from table["parts"]
    for files in manifest["files"].values():
        for file in files:
            yield from file["parts"]
    yield from manifest["valkey"]


def pack(content: bytes) -> bytes:
    """Return the content compressed, if that makes it smaller."""
    deflated = zlib.compress(content, COMPRESSION_LEVEL)
    return DEFLATED + deflated if len(deflated) < len(content) else RAW + content


def unpack(packed: bytes) -> bytes:
    return zlib.decompress(packed[1:]) if packed[:1] == DEFLATED else packed[1:]


def write_durably(path: Path, content: bytes) -> None:
    """Replace a private file atomically, and wait until it is on the disk."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
