"""Static files as `up` collects them, but not compressed, which would take seconds."""

from pathlib import Path
from unittest.mock import patch

from config.http.static_files import StaticFilesCompressor, collect_static_files


def collect_uncompressed(root: Path) -> Path:
    """Collect the static files of all apps in a folder and return it."""
    with patch.object(StaticFilesCompressor, "should_compress", return_value=False):
        collect_static_files(root)
    return root
