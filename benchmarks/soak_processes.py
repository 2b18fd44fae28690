"""The processes under `benchmarks.soak`: their memory over time, and which of them are killed."""

import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import redis

ROOT = Path(__file__).resolve().parent.parent
WARM_SHARE = 0.3  # of the run, in which memory still grows to its working size
KINDS = (
    "web",
    "web worker",
    "worker",
    "worker child",
    "frequent",
    "frequent child",
    "beat",
    "postgres",
    "valkey",
    "up",
)


class RunningShop:
    """`manage.py up`, which is started again when it is killed, as a service manager does."""

    def __init__(self, port: int, folder: Path, environment: dict[str, str]) -> None:
        self.port, self.folder, self.environment = port, folder, environment
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        with (self.folder / "up.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def keep_running(self) -> bool:
        """Start `up` again if it was killed; return whether it was."""
        if self.process.poll() is None:
            return False
        self.process = self.start()
        return True

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=120)

    def list_processes(self) -> dict[str, list[psutil.Process]]:
        """Return the processes by kind; children of a worker are those that run its tasks."""
        kinds: dict[str, list[psutil.Process]] = {}
        with suppress(psutil.Error):
            up = psutil.Process(self.process.pid)
            kinds["up"] = [up]
            for child in up.children():
                with suppress(psutil.Error):
                    kind = name_program(child)
                    children = child.children(recursive=True)
                    kinds.setdefault(kind, []).append(child)
                    name = "web worker" if kind == "web" else f"{kind} child" if kind != "postgres" else kind
                    kinds.setdefault(name, []).extend(children)
        return kinds


def name_program(process: psutil.Process) -> str:
    line = process.cmdline()
    text = " ".join(line)
    if "config.web_server" in line:
        return "web"
    if "frequent@%h" in text:
        return "frequent"
    if "worker@%h" in text:
        return "worker"
    if "beat" in line:
        return "beat"
    return "valkey" if "valkey" in text else "postgres" if "postgres" in text else "other"


class MemorySampler:
    """Records the memory of the programs, and fits a line through it."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, dict[str, float]]] = []

    def take(self, shop: RunningShop) -> None:
        groups: dict[str, float] = {}
        for kind, processes in shop.list_processes().items():
            for process in processes:
                with suppress(psutil.Error):
                    group = kind.partition(" ")[0]
                    groups[group] = groups.get(group, 0.0) + measure_process(process)
        self.samples.append((time.monotonic(), groups))

    def fit_slopes(self) -> dict[str, float]:
        """Return the growth of each program in MB/h after the first minutes, by least squares."""
        settled = self.samples[int(len(self.samples) * WARM_SHARE) :]
        return (
            {group: round(fit_slope(settled, group) * 3600, 1) for group in sorted(settled[-1][1])} if settled else {}
        )

    def find_peaks(self) -> dict[str, int]:
        names = {name for _at, groups in self.samples for name in groups}
        return {name: round(max(groups.get(name, 0.0) for _at, groups in self.samples)) for name in sorted(names)}


def measure_process(process: psutil.Process) -> float:
    """Return the memory of a process in MB, shared pages by their share."""
    try:
        return float(process.memory_full_info().pss) / 2**20
    except (AttributeError, psutil.AccessDenied):
        return float(process.memory_info().rss) / 2**20


def fit_slope(samples: list[tuple[float, dict[str, float]]], group: str) -> float:
    """Return MB per second: Σ(t − t̄)(m − m̄) / Σ(t − t̄)²."""
    points = [(at, groups[group]) for at, groups in samples if group in groups]
    if len(points) < 3:
        return 0.0
    mean_at = sum(at for at, _mb in points) / len(points)
    mean_mb = sum(mb for _at, mb in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _mb in points)
    return sum((at - mean_at) * (mb - mean_mb) for at, mb in points) / spread if spread else 0.0


class Killer:
    """Kills each kind of process in turn, in a random order, with SIGKILL."""

    def __init__(self, *, data: Path, valkey_url: str, seed: int = 1) -> None:
        self._draws = random.Random(seed)
        self._left: list[str] = []
        self._data, self._valkey_url = data, valkey_url
        self.kills: dict[str, int] = {}

    def kill_next(self, shop: RunningShop) -> str:
        if not self._left:
            self._left = list(KINDS)
            self._draws.shuffle(self._left)
        kind = self._left.pop()
        processes = self._find_server(kind) if kind in ("postgres", "valkey") else shop.list_processes().get(kind, [])
        for process in [self._draws.choice(processes)] if processes else []:
            with suppress(psutil.Error):
                process.kill()
                self.kills[kind] = self.kills.get(kind, 0) + 1
        return kind

    def _find_server(self, kind: str) -> list[psutil.Process]:
        """Return the main process of a server, if it runs."""
        with suppress(OSError, ValueError, IndexError, redis.RedisError, psutil.Error):
            if kind == "postgres":
                return [psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))]
            with redis.Redis.from_url(self._valkey_url, socket_timeout=5) as client:
                return [psutil.Process(int(client.info("server")["process_id"]))]
        return []
