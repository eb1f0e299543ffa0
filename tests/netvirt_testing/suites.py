# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups that pytest runs: ``unit`` here, ``functional`` inside nodes, the others against several nodes.

A whole run shares the files of ``functional`` out over two nodes, and those of ``integration`` over two labs.
"""

from __future__ import annotations

import ast
import io
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netvirt_testing import shared
from netvirt_testing.lab import Lab, LabError, lab_running
from netvirt_testing.paths import ROOT, environment, source_files
from netvirt_testing.report import Tally

COLLECTION_IN_NODE = "/root/ansible_collections/netvirt/fabric"
REPORT_IN_NODE = "/run/netvirt-functional.xml"
LABS = {"container": "testfleet", "vm": "testvm"}  # By kind of their nodes.
FLEET = ("network1", "compute1", "compute2")
# As few virtual machines as will do, since they take memory, and time to boot. Kinds of nodes may mix.
VM_FLEET = {"network1": "container", "compute1": "vm", "compute2": "vm"}
# What takes longest; see shared.py.
SLOW_FUNCTIONAL = (
    *("test_killed", "test_mending", "test_properties", "test_bridge_uplink_guard", "test_fuzz", "test_rebuild"),
    *("test_dnsmasq_netns", "test_router_watched"),
)
SLOW_INTEGRATION = (
    *("test_guests", "test_nat_network", "test_removal", "test_contract", "test_classic", "test_physical_networks"),
    *("test_roles", "test_everyday"),
)
# What containers lack the modules of the kernel for, and what shows the datapath of the kernel.
VM_FUNCTIONAL = tuple(
    f"tests/functional/test_{name}"
    for name in (
        *("link_vlan.py", "link_bond.py", "linux_bridge_vlans.py", "purge_links.py", "packet_filter.py"),
        *("endpoint.py", "tunnel_endpoints.py", "foreign_tunnels.py", "port_ipv6.py", "ovs_flow_vlans.py"),
        "segments_watched.py",
        "mending.py::test_flows_are_back_soon_after_open_vswitch_was_started",
    )
)

HANDED_ON = ("NETVIRT_FUZZ_", "NETVIRT_KILL_POINTS")
"""Variables that tests in a node read."""


LIBRARIES = os.environ.get("NETVIRT_LIBRARIES", "")
"""With "newest", nodes of the group functional have libraries of tests/requirements.txt, not their distribution's."""


@dataclass(frozen=True)
class Request:
    """How the groups are to be run."""

    pytest_arguments: list[str]
    keep_lab: bool = False
    kind: str = "container"  # of the nodes
    all_points: bool = False  # Kill runs at all points, not at a quarter of them.
    again: str = ""  # The one test to run, in place of all.


Group = Callable[[Tally, Request], None]


def lab_name(default: str) -> str:
    """Return the name of the lab to use."""
    return os.environ.get("NETVIRT_LAB", default)


def has_tests(directory: str) -> bool:
    """Tell whether the checkout has tests there."""
    return bool(source_files(f"{directory}/**/test_*.py", f"{directory}/test_*.py"))


def finish(tally: Tally, status: int, report: Path) -> None:
    """Count pytest's report; a run that left none, or failed without a failed test, is a failure itself."""
    if report.exists() and report.stat().st_size:
        tally.add_junit(report)
    if status not in {0, 1} or (status == 1 and not tally.failed):
        tally.fail(f"pytest ended with status {status}")


def chosen(request: Request, *targets: str) -> list[str]:
    """Return pytest's arguments: the targets and what was asked for, or the one test to run again."""
    return [request.again] if request.again else [*targets, *request.pytest_arguments]


@dataclass
class Here:
    """This machine, with a lab that is up."""

    lab: str = ""
    name: str = "this machine"

    def __post_init__(self) -> None:
        self.name = self.lab or self.name
        self.report = Path(tempfile.gettempdir(), f"netvirt-{os.getpid()}-{self.name.replace(' ', '-')}.xml")

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs pytest and leaves a report."""
        self.report.unlink(missing_ok=True)
        return [sys.executable, "-m", "pytest", "-q", f"--junit-xml={self.report}", *arguments]

    def variables(self) -> dict[str, str]:
        """Return the environment of pytest."""
        return {**environment(), **({"NETVIRT_LAB": self.lab} if self.lab else {})}

    def start(self, path: str, output: Any) -> subprocess.Popen[bytes]:
        """Start pytest on a file."""
        return subprocess.Popen(
            self.command([path]),
            cwd=ROOT,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def count(self, tally: Tally, status: int) -> None:
        """Count what pytest reported."""
        finish(tally, status, self.report)
        self.report.unlink(missing_ok=True)


def pytest_here(tally: Tally, arguments: Sequence[str], lab: str = "") -> None:
    """Run pytest on this machine, with a lab that is up."""
    place = Here(lab)
    status = subprocess.run(place.command(arguments), cwd=ROOT, env=place.variables(), check=False).returncode
    place.count(tally, status)


def unit(tally: Tally, request: Request) -> None:
    """Run tests/unit."""
    if not has_tests("tests/unit"):
        tally.skip("tests/unit: no tests in this checkout")
        return
    pytest_here(tally, chosen(request, "tests/unit"))


def integration(tally: Tally, request: Request) -> None:
    """Run tests/integration against a lab of three containers."""
    if not has_tests("tests/integration"):
        tally.skip("tests/integration: no tests in this checkout")
        return
    name, nodes = lab_name(LABS["container"]), dict.fromkeys(FLEET, "container")
    with lab_running(name, nodes, request.keep_lab) as lab:
        if part_of(request):
            pytest_here(tally, chosen(request, "tests/integration"), lab.name)
            return
        with lab_running(f"{name[:8]}2", nodes, request.keep_lab) as second:
            files = [str(path) for path in source_files("tests/integration/test_*.py")]
            shared.run(tally, [Here(lab.name), Here(second.name)], shared.order(files, SLOW_INTEGRATION))


def fleet(tally: Tally, request: Request) -> None:
    """Run tests/fleet against a lab of ten containers."""
    nodes = dict.fromkeys((f"node{number}" for number in range(1, 11)), "container")
    with lab_running(lab_name("testten"), nodes, request.keep_lab) as lab:
        pytest_here(tally, chosen(request, "tests/fleet"), lab.name)


def vm(tally: Tally, request: Request) -> None:
    """Run those of tests/integration that are marked ``vm`` against virtual machines, and what needs their kernel."""
    with lab_running(lab_name(LABS["vm"]), VM_FLEET, request.keep_lab) as lab:
        if not request.again.startswith(VM_FUNCTIONAL):
            pytest_here(tally, chosen(request, "tests/integration", "-m", "vm"), lab.name)
        # Arguments choose among the scenarios.
        if request.again.startswith(VM_FUNCTIONAL) or not (request.again or request.pytest_arguments):
            pytest_inside(tally, lab, "compute1", chosen(request, *VM_FUNCTIONAL))


def scenarios() -> list[str]:
    """Return the names of the scenarios: what follows ``test_`` in the names of the files of tests/integration."""
    return [path.stem.removeprefix("test_") for path in source_files("tests/integration/test_*.py")]


def nodes_of(path: Path) -> Sequence[str]:
    """Return the nodes that a file of tests needs: its constant NODES, else all of the fleet."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "NODES":
            return tuple(ast.literal_eval(statement.value))
    return FLEET


def scenario(tally: Tally, request: Request, name: str) -> None:
    """Run one file of tests/integration against a lab of the nodes that it needs."""
    path = f"tests/integration/test_{name}.py"
    nodes = dict.fromkeys(nodes_of(ROOT / path), request.kind)
    with lab_running(lab_name(LABS[request.kind]), nodes, request.keep_lab) as lab:
        pytest_here(tally, chosen(request, path), lab.name)


def functional(tally: Tally, request: Request) -> None:
    """Run tests/functional inside a node that is thrown away afterwards."""
    if not has_tests("tests/functional"):
        tally.skip("tests/functional: no tests in this checkout")
        return
    whole = not part_of(request)
    nodes = dict.fromkeys(("node1", "node2") if whole else ("node1",), request.kind)
    with lab_running(lab_name("testnode"), nodes, request.keep_lab) as lab:
        if not whole:
            pytest_inside(tally, lab, "node1", chosen(request, "tests/functional"))
            return
        for node in nodes:
            copy_checkout(lab, node)
        files = [str(path) for path in source_files("tests/functional/test_*.py")]
        shared.run(tally, [Inside(lab, node) for node in nodes], shared.order(files, SLOW_FUNCTIONAL))


def part_of(request: Request) -> bool:
    """Tell whether only some tests of a group are asked for; pytest then gets them all at once."""
    return bool(request.again or request.pytest_arguments)


@dataclass
class Inside:
    """A node that has the checkout."""

    lab: Lab
    name: str

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs pytest in the node and leaves a report there."""
        asked = [f"{name}={value}" for name, value in os.environ.items() if name.startswith(HANDED_ON)]
        pytest = ["env", *asked, "python3", "-m", "pytest", "-q", f"--junit-xml={REPORT_IN_NODE}", *arguments]
        remote = f"rm -f {REPORT_IN_NODE}; cd {COLLECTION_IN_NODE} && {shlex.join(pytest)}"
        return [*self.lab.ssh(self.name), remote]

    def start(self, path: str, output: Any) -> subprocess.Popen[bytes]:
        """Start pytest on a file."""
        return subprocess.Popen(self.command([path]), stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def count(self, tally: Tally, status: int) -> None:
        """Count what pytest reported."""
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            report.write(self.lab.run(self.name, ["cat", REPORT_IN_NODE], check=False).stdout.encode())
            report.flush()
            finish(tally, status, Path(report.name))


def pytest_inside(tally: Tally, lab: Lab, node: str, arguments: Sequence[str], libraries: str = LIBRARIES) -> None:
    """Run pytest inside a node."""
    copy_checkout(lab, node, libraries)
    place = Inside(lab, node)
    status = subprocess.run(place.command(arguments), stdin=subprocess.DEVNULL, check=False).returncode
    place.count(tally, status)


def copy_checkout(lab: Lab, node: str, libraries: str = LIBRARIES) -> None:
    """Put the files git knows of into the node, at the place Python imports the collection from."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in source_files():
            tar.add(ROOT / path, arcname=str(path))
    remote = f"rm -rf {COLLECTION_IN_NODE} && mkdir -p {COLLECTION_IN_NODE} && tar -xf - -C {COLLECTION_IN_NODE}"
    unpack(lab, node, remote, archive.getvalue())
    if libraries == "newest":
        place = "$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')"
        unpack(lab, node, f"mkdir -p {place} && tar -xf - -C {place}", newest_libraries())


def unpack(lab: Lab, node: str, remote: str, archive: bytes) -> None:
    """Give an archive to a command in a node."""
    result = subprocess.run([*lab.ssh(node), remote], input=archive, capture_output=True, check=False)
    if result.returncode:
        raise LabError(f"{node}: {remote}: {result.stderr.decode()}")


def newest_libraries() -> bytes:
    """Return an archive of pyroute2, ovsdbapp and what they need, as this machine has them."""
    wanted = [
        line
        for line in (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith(("ovsdbapp", "pyroute2"))
    ]
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", directory, *wanted]
        subprocess.run([*pip, "-c", str(ROOT / "tools" / "constraints.txt")], check=True)
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(directory, arcname=".")
    return archive.getvalue()
