"""Machines of a test: network namespaces of Linux with an address and a folder each, on one bridge.

The bridge is in a namespace of its own, which the thread of the test enters together with the servers and clients that it starts: a
browser aborts its requests with ERR_NETWORK_CHANGED when an address is added to its own namespace, where other tests run one.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.customers.events.server import PROJECT

PORT = 8000
NAMESPACE_OF_THREAD = "/proc/thread-self/ns/net"


def run_ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Network:
    """A bridge, whose own address is that of the servers; without the right to make one, addresses of the loopback interface.

    Until it is closed, the current thread, and the threads and programs that it starts, are in the namespace of the bridge.

    problem: why there are no namespaces.
    """

    def __init__(self) -> None:
        self.key = secrets.token_hex(3)
        self.prefix = f"10.213.{20 + int(self.key[:2], 16) % 200}"
        self.bridge = f"pb{self.key}"
        self.problem = ""
        self.namespaces: list[str] = []
        self.outside = os.open(NAMESPACE_OF_THREAD, os.O_RDONLY)
        try:
            os.unshare(os.CLONE_NEWNET)
            run_ip("link", "set", "lo", "up")
            run_ip("link", "add", self.bridge, "type", "bridge")
            run_ip("addr", "add", f"{self.prefix}.1/24", "dev", self.bridge)
            run_ip("link", "set", self.bridge, "up")
            self.add_namespace("probe", 250)
        except (OSError, subprocess.CalledProcessError) as error:
            self.problem = f"network namespaces cannot be made ({error})"
            self.delete()
            self.prefix = "127.0.1"

    @property
    def server_address(self) -> str:
        return "127.0.0.1" if self.problem else f"{self.prefix}.1"

    def add_namespace(self, name: str, number: int) -> str:
        """Make a namespace with an address on the bridge, and return its name."""
        namespace, link = f"p{self.key}-{name}", f"v{self.key}{number}"
        run_ip("netns", "add", namespace)
        self.namespaces.append(namespace)
        run_ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run_ip("link", "set", link, "master", self.bridge, "up")
        for arguments in (
            ("addr", "add", f"{self.prefix}.{number}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            run_ip("-n", namespace, *arguments)
        return namespace

    def cut(self, number: int) -> None:
        """Pull the cable of a machine: nobody gets a packet from it any more, not even that a connection has ended."""
        if not self.problem:
            run_ip("link", "del", f"v{self.key}{number}")

    def delete(self) -> None:
        """Delete the namespaces and leave that of the bridge, which ends with the last program in it."""
        for arguments in (*(("netns", "del", name) for name in self.namespaces), ("link", "del", self.bridge)):
            with suppress(OSError, subprocess.CalledProcessError):
                run_ip(*arguments)
        with suppress(OSError):
            os.setns(self.outside, os.CLONE_NEWNET)

    def close(self) -> None:
        if not self.problem:
            self.delete()
        os.close(self.outside)


@contextmanager
def make_network() -> Iterator[Network]:
    network = Network()
    try:
        yield network
    finally:
        network.close()


class Machine:
    """A machine with an address and a data folder of its own; its programs end with it."""

    def __init__(self, network: Network, name: str, number: int, *, folder: Path, env: Mapping[str, str]) -> None:
        self.network, self.name, self.number = network, name, number
        self.address = f"{network.prefix}.{number}"
        self.var, self.log = folder / name, folder / f"{name}.log"
        self.var.mkdir()
        self.env = {**env, "PERENNIAL_VAR": str(self.var)}
        self.namespace = "" if network.problem else network.add_namespace(name, number)
        self.programs: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Python program on this machine."""
        with self.log.open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT,
                env=self.env,
                stdout=log,
                stderr=log,
                preexec_fn=self.enter,
                start_new_session=True,
            )
        self.programs.append(program)
        return program

    def enter(self) -> None:
        if self.namespace:
            descriptor = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
            os.setns(descriptor, os.CLONE_NEWNET)
            os.close(descriptor)

    def run(self, script: str) -> str:
        """Run a Python script on this machine and return its output."""
        process = subprocess.run(
            [sys.executable, "-c", script],
            cwd=PROJECT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=self.enter,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def start_web(self) -> None:
        self.start(
            *("-m", "config.web_server", "--host", self.address, "--port", str(PORT), "--workers", "1"),
            "config.wsgi:application",
        )

    def start_worker(self) -> None:
        """Start a worker of both queues, with the scheduler."""
        self.start(
            *("-m", "celery", "--app", "config", "worker", "--beat", "--hostname", f"worker@{self.name}"),
            *("--queues", "celery,frequent", "--concurrency", "1", "--loglevel", "INFO", "--schedule", ""),
        )

    def lose(self) -> None:
        """End the machine as if it had lost power: without a packet to anyone."""
        self.network.cut(self.number)
        self.kill()

    def kill(self) -> None:
        for program in self.programs:
            with suppress(psutil.NoSuchProcess):
                parent = psutil.Process(program.pid)
                family = [parent, *parent.children(recursive=True)]
                for process in family:
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(signal.SIGKILL)
                psutil.wait_procs(family, timeout=300)
            program.wait()
        self.programs.clear()

    def read_log(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
