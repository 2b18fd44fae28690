"""Files that appear complete or not at all."""

from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it. Errors: OSError."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)
