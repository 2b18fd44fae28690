"""Only the user who runs Perennial reads its files: folders get mode 0700 and files 0600."""

import os
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
OWNER_BITS = 0o700
DATABASE_FOLDER = "postgres"  # PostgreSQL keeps its own files private; there are too many to check


def keep_new_files_private() -> None:
    """Create all further files and folders of this process, and of its children, without access for other users."""
    os.umask(PRIVATE_UMASK)


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents without access for other users, whatever the umask is."""
    for path in [*reversed(folder.parents), folder]:
        if not path.exists():
            path.mkdir(mode=OWNER_BITS, exist_ok=True)


def make_tree_private(root: Path) -> int:
    """Withdraw the access of other users to a folder and everything in it; return the number of changes.

    This repairs older folders, and files that other programs wrote. If PostgreSQL runs as its own user, which it does under root,
    that user may still traverse the folders above its data, but not list them.
    """
    return _make_folder_private(root)[0] if root.is_dir() else 0


def _make_folder_private(folder: Path) -> tuple[int, bool]:
    """Return the number of changes, and whether another user's folder is below this one. Links are not followed."""
    changed, is_shared = 0, False
    with suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # vanished meanwhile
                if entry.is_symlink():
                    continue
                path = Path(entry.path)
                if not entry.is_dir(follow_symlinks=False):
                    changed += withdraw_access(path)
                elif entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                    is_shared = True
                elif entry.name != DATABASE_FOLDER:
                    inner_changed, has_shared = _make_folder_private(path)
                    changed, is_shared = changed + inner_changed, is_shared or has_shared
    return changed + withdraw_access(folder, keep=stat.S_IXOTH if is_shared else 0), is_shared


def withdraw_access(path: Path, *, keep: int = 0) -> int:
    """Withdraw the access of group and others; return 1 if they had any. Files of other users stay as they are."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        private = mode & (OWNER_BITS | keep)
        if mode != private:
            path.chmod(private)
            return 1
    return 0
