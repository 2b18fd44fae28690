"""Installs SDKs that cannot stand beside the test suite: npm packages, and an old Python client with old requirements."""

import fcntl
import shutil
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE_FOLDER = Path(__file__).parent / "node"
NODE_PACKAGES = NODE_FOLDER / "node_modules"
VAR = ROOT / "var" / "clients"
OLD_CLIENT = VAR / "analytics-python"
OLD_CLIENT_PINS = ROOT / "requirements" / "analytics-python.txt"
LEAST_NODE = 20
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", "--no-deps"]


def install_node_packages() -> Path:
    """The folder whose programs find the npm packages; skips the test where they can't be had."""
    if reason := why_no_node_packages():
        pytest.skip(reason)
    return NODE_FOLDER


def install_old_python_client() -> Path:
    """A folder with analytics-python 1.4 and all that it needs; skips the test where they can't be had."""
    if reason := why_no_old_client():
        pytest.skip(reason)
    return OLD_CLIENT


@cache  # without a network each try takes its time
def why_no_node_packages() -> str:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"no {program} on this machine: apt-get install nodejs npm"
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(said.removeprefix("v").partition(".")[0]) < LEAST_NODE:
        return f"node is {said}, the SDKs need {LEAST_NODE} or later"
    return install_once(NODE_PACKAGES, NODE_FOLDER / "package-lock.json", NPM, cwd=NODE_FOLDER)


@cache
def why_no_old_client() -> str:
    command = [*PIP, "--require-hashes", "--target", str(OLD_CLIENT), "-r", str(OLD_CLIENT_PINS)]
    return install_once(OLD_CLIENT, OLD_CLIENT_PINS, command, cwd=ROOT)


def install_once(folder: Path, pins: Path, command: list[str], *, cwd: Path) -> str:
    """Whichever worker comes first installs; the stamp, written last, says from which pins. Returns why it failed, or ""."""
    stamp = folder / ".installed"
    wanted = sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    for needed in (VAR, folder):
        needed.mkdir(parents=True, exist_ok=True)
    with (VAR / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return ""
        shutil.rmtree(folder)
        folder.mkdir()
        try:
            done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=180)
        except subprocess.TimeoutExpired:
            return f"{' '.join(command[:4])} has not ended in three minutes: is the registry reachable?"
        if done.returncode:
            said = " ".join(done.stderr.split())
            return f"{' '.join(command[:4])} failed, is the registry reachable? {said[-300:]}"
        stamp.write_text(wanted)
    return ""
