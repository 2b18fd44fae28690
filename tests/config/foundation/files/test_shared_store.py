"""Files that several machines share."""

from pathlib import Path

import pytest

from config.foundation.files.shared_store import SharedStore, SharedStoreError


def test_an_error_does_not_quote_the_password_of_the_address(tmp_path: Path) -> None:
    store = SharedStore("memory://shop:s3cret@files/perennial")
    with pytest.raises(SharedStoreError) as error:
        store.get("models/blend-1/manifest.json", tmp_path / "manifest.json")
    assert "shop:***@files/perennial/models/blend-1/manifest.json" in str(error.value)
    assert "s3cret" not in str(error.value)
