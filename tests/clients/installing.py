"""Installs SDKs that cannot stand beside the test suite: npm packages, and an old Python client with old requirements."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE_FOLDER = Path(__file__).parent / "node"
OLD_CLIENT = ROOT / "requirements" / "analytics-python.txt"
LEAST_NODE = 20


def install_node_packages() -> Path:
    """The folder whose programs find the npm packages; skips the test where they can't be had."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine: apt-get install nodejs npm")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(said.removeprefix("v").partition(".")[0]) < LEAST_NODE:
        pytest.skip(f"node is {said}, the SDKs need {LEAST_NODE} or later")

    def install(_folder: Path) -> None:
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE_FOLDER)

    install_once(NODE_FOLDER / "node_modules", NODE_FOLDER / "package-lock.json", install)
    return NODE_FOLDER


def install_old_python_client() -> Path:
    """A folder with analytics-python 1.4 and all that it needs; skips the test where they can't be had."""

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
        run([*pip, "--require-hashes", "--no-deps", "--target", str(folder), "-r", str(OLD_CLIENT)], cwd=ROOT)

    folder = ROOT / "var" / "clients" / "analytics-python"
    install_once(folder, OLD_CLIENT, install)
    return folder


def install_once(folder: Path, pins: Path, install: Callable[[Path], None]) -> None:
    """Whichever worker comes first installs; the stamp, written last, says from which pins."""
    stamp = folder / ".installed"
    wanted = sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(folder)
        folder.mkdir()
        install(folder)
        stamp.write_text(wanted)


def run(command: list[str], *, cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=180)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{' '.join(command[:4])} has not ended in three minutes: is the registry reachable?")
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        pytest.skip(f"{' '.join(command[:4])} failed: is the registry reachable?\n{last}")
