"""The system user that PostgreSQL runs as under root, and that user's access to the files it needs."""

import pwd
import stat
import subprocess
from pathlib import Path

from config.embedded.server_process import ServerError


def ensure_system_user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    attempts = (
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
        ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name],
    )
    reasons = []
    for command in attempts:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
            return pwd.getpwnam(name)
        except OSError as error:
            reasons.append(f"{command[0]}: {error.strerror}")
        except subprocess.CalledProcessError as error:
            reasons.append(f"{command[0]}: {error.stderr.strip()}")
    raise ServerError(
        f"PostgreSQL refuses to run as root, and the system user '{name}' it would run as cannot be created "
        f"({'; '.join(reasons)}). Run Perennial as an ordinary user, create that system user, or set DATABASE_URL."
    )


def make_parents_traversable(path: Path) -> list[Path]:
    """Let other users traverse (not list) every folder above `path`; return the changed folders."""
    changed = []
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            changed.append(folder)
    return changed


def make_tree_readable(folder: Path) -> list[Path]:
    """Make installed files readable for other users where the umask prevented it; return the changed paths."""
    changed = []
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        readable_mode = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode != readable_mode:
            path.chmod(readable_mode)
            changed.append(path)
    return changed
