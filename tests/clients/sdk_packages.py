"""Install SDKs outside the test environment: npm packages, and an old Python client with outdated requirements."""

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
MIN_NODE_VERSION = 20
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", "--no-deps"]


def install_node_packages() -> Path:
    """Return the folder of the Node programs and their packages; skip the test if they cannot be installed."""
    if reason := find_node_obstacle():
        pytest.skip(reason)
    return NODE_FOLDER


def install_old_python_client() -> Path:
    """Return a folder with analytics-python 1.4 and its requirements; skip the test if they cannot be installed."""
    if reason := find_old_client_obstacle():
        pytest.skip(reason)
    return OLD_CLIENT


@cache  # without a network, every attempt is slow
def find_node_obstacle() -> str:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed: apt-get install nodejs npm"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < MIN_NODE_VERSION:
        return f"node is {version}; the SDKs need {MIN_NODE_VERSION} or later"
    return install_once(NODE_PACKAGES, NODE_FOLDER / "package-lock.json", NPM, cwd=NODE_FOLDER)


@cache
def find_old_client_obstacle() -> str:
    command = [*PIP, "--require-hashes", "--target", str(OLD_CLIENT), "-r", str(OLD_CLIENT_PINS)]
    return install_once(OLD_CLIENT, OLD_CLIENT_PINS, command, cwd=ROOT)


def install_once(folder: Path, pins: Path, command: list[str], *, cwd: Path) -> str:
    """Install once for all test workers; return why it failed, or "". The stamp file, written last, identifies the pins."""
    stamp = folder / ".installed"
    fingerprint = sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    for required_folder in (VAR, folder):
        required_folder.mkdir(parents=True, exist_ok=True)
    with (VAR / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == fingerprint:
            return ""
        shutil.rmtree(folder)
        folder.mkdir()
        try:
            process = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=180)
        except subprocess.TimeoutExpired:
            return f"{' '.join(command[:4])} did not finish within three minutes: is the registry reachable?"
        if process.returncode:
            message = " ".join(process.stderr.split())
            return f"{' '.join(command[:4])} failed, is the registry reachable? {message[-300:]}"
        stamp.write_text(fingerprint)
    return ""
