"""Builds the files of `perennial.js` from the sources in `scripts/`, each with a hash of its content in its name.

The core is one classic script, so that one integrity hash covers it; it names its parts with their integrity hashes. No tool is needed:
the sources of the core are joined, and the versions, texts and styles are filled in.
"""

import base64
import json
import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256, sha384
from pathlib import Path

from django.conf import settings

from config.onsite.texts import build_part_texts

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).parent / "scripts"
CORE = ("dom", "storage", "visitor", "collector", "api", "rows", "start")  # in this order
VERSION = "1"
HASH_LENGTH = 16
HASHED_NAME = re.compile(rf"[a-z-]+\.[0-9a-f]{{{HASH_LENGTH}}}\.m?js")
COMMENT_LINE = re.compile(r"//|/\*\*|\*")
NOTICE = "// perennial.js {version}: the on-site script of Perennial. See docs/on-site.md.\n"


@dataclass(frozen=True)
class ScriptFile:
    """A file of the script. name: with the hash of its content."""

    name: str
    content: bytes

    @property
    def integrity(self) -> str:
        """The value of the integrity attribute."""
        return "sha384-" + base64.b64encode(sha384(self.content).digest()).decode()


@dataclass(frozen=True)
class Bundle:
    """All files of one version: the core, the module that exports it, and the parts by name."""

    core: ScriptFile
    module: ScriptFile
    parts: dict[str, ScriptFile]

    @property
    def files(self) -> dict[str, ScriptFile]:
        """The files by their hashed names."""
        return {file.name: file for file in (self.core, self.module, *self.parts.values())}


def get_bundle() -> Bundle:
    """Return the current files; they are built again when a source has changed."""
    return build_bundle(tuple(path.stat().st_mtime_ns for path in sorted(SCRIPTS.rglob("*.*"))))


@lru_cache(maxsize=1)
def build_bundle(_times: tuple[int, ...] = ()) -> Bundle:
    """Build all files, and keep them for pages that name this version."""
    parts = {path.stem: build_part(path) for path in sorted(SCRIPTS.glob("*.js"))}
    core = make_file("perennial", "js", build_core(parts))
    module = make_file("perennial", "mjs", build_module(core))
    bundle = Bundle(core, module, parts)
    keep_files(bundle)
    return bundle


def build_core(parts: dict[str, ScriptFile]) -> str:
    """Return the core: its sources in one function, with what they need to know about the other files."""
    known = {name: [file.name, file.integrity] for name, file in parts.items()}
    styles = "".join((SCRIPTS / "core" / "styles.css").read_text(encoding="utf-8").splitlines())
    lines = [
        NOTICE.format(version=VERSION) + ";(() => {",
        '"use strict"',
        "if (globalThis.perennial?.version) return // the page has the script twice",
        f"const VERSION = {json.dumps(VERSION)}",
        f"const PARTS = {json.dumps(known)}",
        f"const STYLES = {json.dumps(styles)}",
        *(read_source(SCRIPTS / "core" / f"{name}.js") for name in CORE),
        "})()\n",
    ]
    return "\n".join(lines)


def read_source(path: Path) -> str:
    """Return a source without indentation and comment lines, which would only make pages load longer."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not COMMENT_LINE.match(line))


def build_part(path: Path) -> ScriptFile:
    """Return a part: its source in a function that gets the core and returns the part's `scan`."""
    texts = json.dumps(build_part_texts(path.stem), ensure_ascii=False)
    lines = [
        NOTICE.format(version=VERSION) + f"globalThis.perennial.define({json.dumps(path.stem)}, (core) => {{",
        '"use strict"',
        f"const t = core.makeTexts({texts})",
        read_source(path),
        "return { scan }",
        "})\n",
    ]
    return make_file(path.stem, "js", "\n".join(lines))


def build_module(core: ScriptFile) -> str:
    """Return the module: it loads the core and gives it the host of its files."""
    lines = [
        NOTICE.format(version=VERSION) + f'import "./{core.name}"',
        "const { perennial } = globalThis",
        "perennial.host ??= new URL(import.meta.url).origin",
        "export { perennial }",
        "export default perennial\n",
    ]
    return "\n".join(lines)


def make_file(name: str, suffix: str, text: str) -> ScriptFile:
    content = text.encode()
    return ScriptFile(f"{name}.{sha256(content).hexdigest()[:HASH_LENGTH]}.{suffix}", content)


def get_archive() -> Path:
    """Return the folder with the files of all versions that were ever served, so that an update breaks no page of a shop."""
    return Path(settings.VAR_DIR) / "onsite"


def keep_files(bundle: Bundle) -> None:
    """Store the files in the archive; a failure affects only pages that name this version after the next update."""
    try:
        get_archive().mkdir(parents=True, exist_ok=True)
        for file in bundle.files.values():
            path = get_archive() / file.name
            if not path.is_file():
                draft = path.with_suffix(".draft")
                draft.write_bytes(file.content)
                draft.replace(path)
    except OSError as error:
        logger.warning("The on-site script could not be stored for later versions: %s", error)


def find_file(name: str) -> ScriptFile | None:
    """Return a file of the current or an earlier version by its hashed name."""
    bundle = get_bundle()
    if name in bundle.files:
        return bundle.files[name]
    path = get_archive() / name
    if not HASHED_NAME.fullmatch(name) or not path.is_file():
        return None
    return ScriptFile(name, path.read_bytes())
