"""Static files with a hash in their names, compressed beforehand, so that browsers load each of them once.

``manage.py up`` collects them when a source file has changed. Until then, and in tests, WhiteNoise serves the source files.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import brotli
from django.contrib.staticfiles.finders import get_finders
from whitenoise.compress import Compressor
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

MANIFEST_NAME = "staticfiles.json"
DRAFT_NAME = ".draft"
FORMAT = "4"  # change it when the same sources produce different files
# Not used by any page: source maps, other bundles of the same packages, and what plotly's package has for Python.
IGNORED = [
    "*.map",
    "widgetbundle.js",
    "datasets",
    "templates",
    "redoc",
    "rest_framework",
    "xregexp.js",
    "jquery.js",
]
BROTLI_QUALITY = 10  # 11 takes twice as long and saves 2%

type Sources = dict[str, tuple[Any, str]]  # name → (storage, path in the storage)


class StaticFilesCompressor(Compressor):
    """Compresses files with brotli and gzip, except those that the previous collection has already compressed."""

    def __init__(self, *, earlier: Path, draft: Path, **options: Any) -> None:
        super().__init__(**options)
        self.earlier = earlier
        self.draft = draft

    def compress(self, path: str) -> list[str]:
        """Compress a file, whose name has a hash of its content; return the paths of the variants."""
        earlier = self.earlier / Path(path).relative_to(self.draft)
        variants = [suffix for suffix in (".br", ".gz") if earlier.with_name(earlier.name + suffix).is_file()]
        if len(variants) == 2:  # a collection that was interrupted while it moved its files has left only one
            for suffix in variants:
                shutil.copy2(f"{earlier}{suffix}", path + suffix)
            return [path + suffix for suffix in variants]
        compressed: list[str] = super().compress(path)
        return compressed

    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        return bytes(brotli.compress(data, quality=BROTLI_QUALITY))


class CollectedFilesStorage(CompressedManifestStaticFilesStorage):
    """Knows the hashed name of each collected file; other files, and all in tests, have their own name."""

    max_post_process_passes = 20  # the demo shop's modules import each other over eight levels
    keep_only_hashed_files = True
    patterns = (
        ("*.css", CompressedManifestStaticFilesStorage.patterns[0][1][:2]),  # without source maps
        (
            "storefront/*.js",
            (
                (r"""(?P<matched>from\s+"(?P<url>\.{1,2}/[^"]+)")""", 'from "%(url)s"'),
                (r"""(?P<matched>import\s+"(?P<url>\.{1,2}/[^"]+)")""", 'import "%(url)s"'),
            ),
        ),
    )

    def __init__(self, *args: Any, earlier: Path | None = None, **options: Any) -> None:
        """earlier: the folder of the previous collection, if this is a draft."""
        self.earlier = earlier
        super().__init__(*args, **options)

    def stored_name(self, name: str) -> str:
        hashed_name: str = self.hashed_files.get(self.clean_name(name), name)
        return hashed_name

    def create_compressor(self, **options: Any) -> StaticFilesCompressor:
        draft = Path(self.location)
        return StaticFilesCompressor(earlier=self.earlier or draft, draft=draft, **options)


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """Serves static files; browsers keep those with a hash in their name for a year."""

    FOREVER = 31_536_000

    def add_files(self, root: str | Path, prefix: str | None = None) -> None:
        if Path(root).is_dir():  # it does not exist before the first collection
            super().add_files(root, prefix)

    def add_cache_headers(self, headers: Any, path: str, url: str) -> None:
        if self.immutable_file_test(path, url):
            headers["Cache-Control"] = f"public, max-age={self.FOREVER}, immutable"
        else:
            super().add_cache_headers(headers, path, url)


def collect_static_files(root: Path) -> bool:
    """Collect the static files of all apps in a folder if they have changed; return whether they had.

    The files are prepared in a draft folder and moved, the manifest last, so that an interrupted run changes nothing. Errors: OSError.
    """
    sources = find_sources()
    fingerprint = compute_fingerprint(sources)
    if read_fingerprint(root) == fingerprint:
        return False
    root.mkdir(parents=True, exist_ok=True)
    with lock_folder(root):
        if read_fingerprint(root) == fingerprint:  # another process was faster
            return False
        draft = root / DRAFT_NAME
        shutil.rmtree(draft, ignore_errors=True)
        try:
            prepare_files(sources, draft, fingerprint, earlier=root)
            publish_files(draft, root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return True


def find_sources() -> Sources:
    """Return the source of each static file; of two with the same name, the first is used."""
    sources: Sources = {}
    for finder in get_finders():
        for path, storage in finder.list(IGNORED):
            prefix = getattr(storage, "prefix", None)
            sources.setdefault(f"{prefix}/{path}" if prefix else path, (storage, path))
    return sources


def compute_fingerprint(sources: Sources) -> str:
    """Return a hash of what the collected files depend on: name, size and time of each source, and the compressors."""
    digest = hashlib.sha256(f"{FORMAT} {version('whitenoise')} {version('brotli')} {version('django')}".encode())
    for name, (storage, path) in sorted(sources.items()):
        state = os.stat(storage.path(path))
        digest.update(f"\n{name} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def read_fingerprint(root: Path) -> str | None:
    """Return the fingerprint of the collected files; None if there are none, or only a part."""
    try:
        manifest = json.loads((root / MANIFEST_NAME).read_bytes())
        fingerprint: str | None = manifest.get("fingerprint")
        is_complete = all((root / name).is_file() for name in manifest["paths"].values())
    except (FileNotFoundError, ValueError, KeyError, AttributeError):
        return None
    return fingerprint if is_complete else None


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let only one process collect at a time; the lock ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def prepare_files(sources: Sources, draft: Path, fingerprint: str, *, earlier: Path) -> None:
    """Write hashed and compressed files and their manifest to an empty folder. Errors: what is wrong with a source file."""
    for name, (storage, path) in sources.items():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(storage.path(path), target)
    files = CollectedFilesStorage(location=str(draft), earlier=earlier)
    for _name, _hashed_name, processed in files.post_process(dict(sources)):
        if isinstance(processed, Exception):
            raise processed
    manifest_path = draft / MANIFEST_NAME
    manifest = json.loads(manifest_path.read_bytes())
    manifest_path.write_text(json.dumps(manifest | {"fingerprint": fingerprint}))


def publish_files(draft: Path, root: Path) -> None:
    """Move the files to their folder, the manifest last, and remove those of the previous collection."""
    old = list_collected_files(root)
    new = {str(path.relative_to(draft)) for path in draft.rglob("*") if path.is_file()}
    for name in sorted(new, key=lambda name: name == MANIFEST_NAME):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(draft / name, target)
    for name in old - new:
        (root / name).unlink(missing_ok=True)


def list_collected_files(root: Path) -> set[str]:
    """Return the names that a folder's manifest has, with those of their compressed variants."""
    try:
        names = json.loads((root / MANIFEST_NAME).read_bytes())["paths"].values()
    except (FileNotFoundError, ValueError, KeyError):
        return set()
    return {name + suffix for name in names for suffix in ("", ".br", ".gz")}
