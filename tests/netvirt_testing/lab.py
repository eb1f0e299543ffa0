# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab fleet as tests see it: nodes over SSH, playbooks and single modules by Ansible."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from netvirt_testing import host
from netvirt_testing.ansible_runs import Runner
from netvirt_testing.paths import LOGS, ROOT, environment
from netvirt_testing.report import say

LAB_STATE = Path("/var/lib/netvirt-lab")
SUITE = os.environ.get("NETVIRT_LAB_SUITE", "bookworm")
LEGS = ("left", "right")  # Networks that no address is on.
CALLBACKS = Path(__file__).resolve().parent / "callback_plugins"
TIMEOUT = 300  # What takes seconds on a container may take minutes on an emulated machine.


class LabError(Exception):
    """A lab that does not come up, or a command in it that should have worked."""


@dataclass
class TaskResult:
    """What one task did on one host."""

    host: str
    task: str
    status: str  # ok, failed, skipped, unreachable
    result: dict[str, Any]


@dataclass
class PlayResult:
    """What a run of ansible-playbook (or ansible) did."""

    returncode: int
    output: str
    tasks: list[TaskResult] = field(default_factory=list)

    @property
    def changed(self) -> list[TaskResult]:
        """Return the results that report a change."""
        return [task for task in self.tasks if task.result.get("changed")]

    @property
    def failed(self) -> list[TaskResult]:
        """Return the results that failed, or whose host was not reached."""
        return [task for task in self.tasks if task.status in {"failed", "unreachable"}]

    def of(self, host: str, task: str) -> dict[str, Any]:
        """Return the result of the last task of that name on that host."""
        found = [item.result for item in self.tasks if item.host == host and task in item.task]
        if not found:
            raise LabError(f"no task like {task!r} ran on {host}:\n{self.output}")
        return found[-1]


@dataclass
class Lab:
    """A lab that is up."""

    name: str
    inventory: Path
    hosts: dict[str, dict[str, Any]]

    @classmethod
    def attach(cls, name: str) -> Lab:
        """Return the running lab of that name; raise LabError when there is none."""
        inventory = LAB_STATE / name / "inventory.yml"
        if not inventory.exists():
            raise LabError(f"Lab {name} is not up; ./test integration --keep-lab leaves one running")
        listing = subprocess.run(
            ["ansible-inventory", "-i", str(inventory), "--list"],
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return cls(name, inventory, json.loads(listing)["_meta"]["hostvars"])

    @property
    def nodes(self) -> list[str]:
        """Return the names of the nodes that are reached over SSH."""
        return [name for name, variables in self.hosts.items() if variables.get("ansible_connection", "ssh") == "ssh"]

    def ssh(self, node: str) -> list[str]:
        """Return the ssh command up to and including the destination."""
        variables = self.hosts[node]
        command = ["ssh", *shlex.split(f"{variables['ansible_ssh_args']} {variables['ansible_ssh_common_args']}")]
        # The connection is the one that Ansible keeps open.
        command += ["-o", f"ControlPath={variables['ansible_control_path'].replace('%%', '%')}"]
        command += ["-i", variables["ansible_ssh_private_key_file"]]
        return [*command, f"{variables['ansible_user']}@{variables['ansible_host']}"]

    def run(
        self, node: str, argv: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout: float = TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a node; with ``check``, a status other than 0 raises LabError with what it printed."""
        result = subprocess.run(
            [*self.ssh(node), shlex.join(argv)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and result.returncode:
            raise LabError(f"{node}: {shlex.join(argv)}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def json(self, node: str, argv: Sequence[str]) -> Any:
        """Run a command on a node and return the JSON it prints; nothing at all counts as an empty list."""
        return json.loads(self.run(node, argv).stdout.strip() or "[]")

    def is_vm(self, node: str) -> bool:
        """Tell whether a node is a virtual machine, with a kernel of its own."""
        return self.run(node, ["systemd-detect-virt", "--container"], check=False).returncode != 0

    def lacks_link(self, node: str, *arguments: str) -> bool:
        """Tell whether a node's kernel lacks a kind of link, by making one, on ``leg0`` of a new namespace."""
        script = "ip link add leg0 type veth peer name leg1 && ip link add " + " ".join(arguments)
        return self.run(node, ["unshare", "--net", "sh", "-c", script], check=False).returncode != 0

    def uses_best_datapath(self, node: str) -> bool:
        """Tell whether Open vSwitch uses the kernel's datapath where there is one, and its own elsewhere."""
        kernel = self.is_vm(node) or Path("/sys/module/openvswitch").exists()
        found = self.run(node, ["ovs-appctl", "dpctl/dump-dps"]).stdout.split()
        return found == (["system@ovs-system"] if kernel else ["netdev@ovs-netdev"])

    def upstream(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the upstream host of the lab."""
        command = ["nsenter", f"--net=/run/netns/nvlab-{self.name}-up", "--", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    @contextmanager
    def route_from_outside(self, subnet: str, router: str) -> Iterator[None]:
        """Let the upstream host have a route to a network."""
        added = self.upstream("ip", "route", "replace", subnet, "via", router)
        if added.returncode:
            raise LabError(f"upstream: {added.stderr}")
        try:
            yield
        finally:
            self.upstream("ip", "route", "delete", subnet, "via", router)

    def playbook(self, path: str | Path, *arguments: str, check: bool = False, timeout: float = 900) -> PlayResult:
        """Run a playbook (a path relative to the checkout) on the lab; the caller looks at what came out.

        A test that removes something means it, unless its arguments say otherwise.
        """
        allowed = ["-e", "fabric_allow_removal=true"]
        command = ["ansible-playbook", "-i", str(self.inventory), str(ROOT / path), *allowed, *arguments]
        return run_ansible(command + (["--check", "--diff"] if check else []), timeout)

    def module(
        self, node: str, name: str, options: Mapping[str, Any], *, check: bool = False, diff: bool = True
    ) -> dict[str, Any]:
        """Run one module of the collection on one node and return its result, ``failed`` included."""
        fqcn = name if "." in name else f"netvirt.fabric.{name}"
        command = ["ansible", "-i", str(self.inventory), node, "-m", fqcn, "-a", json.dumps(dict(options))]
        command += ["--check"] * check + ["--diff"] * diff
        outcome = run_ansible(command, TIMEOUT)
        if not outcome.tasks:
            raise LabError(f"{node}: {fqcn} gave no result:\n{outcome.output}")
        task = outcome.tasks[-1]
        return {**task.result, "failed": task in outcome.failed}

    def modules(self, node: str, name: str, steps: Sequence[tuple[Mapping[str, Any], bool]]) -> list[dict[str, Any]]:
        """Run one module by one run of Ansible, for each of several options, in check mode or not; return the results.

        A step that fails is the last one.
        """
        tasks = [
            {f"netvirt.fabric.{name}": dict(options), "check_mode": check, "diff": True} for options, check in steps
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as play:
            json.dump([{"hosts": node, "gather_facts": False, "tasks": tasks}], play)
            play.flush()
            outcome = run_ansible(["ansible-playbook", "-i", str(self.inventory), play.name], TIMEOUT)
        if not outcome.tasks:
            raise LabError(f"{node}: {name} gave no result:\n{outcome.output}")
        return [{**task.result, "failed": task in outcome.failed} for task in outcome.tasks]

    def close(self) -> None:
        """End the SSH connections that are kept open."""
        for node in self.nodes:
            command = self.ssh(node)
            subprocess.run([*command[:-1], "-O", "exit", command[-1]], capture_output=True, check=False)


RUNNER = Runner(
    {
        **environment(),
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "netvirt_results",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
    },
    ROOT,
)


def run_ansible(command: Sequence[str], timeout: float) -> PlayResult:
    """Run an Ansible command with the callback that writes every result as a line of JSON."""
    with tempfile.NamedTemporaryFile(prefix="netvirt-results-", suffix=".jsonl") as results:
        status, output = RUNNER.run(command, {"NETVIRT_RESULTS": results.name}, timeout)
        lines = Path(results.name).read_text(encoding="utf-8").splitlines()
    return PlayResult(status, output, [TaskResult(**json.loads(line)) for line in lines])


def lab_playbook(name: str, action: str, *arguments: str) -> None:
    """Run playbooks/lab_up.yml or lab_down.yml; raise LabError with the end of its output when it fails."""
    log = LOGS / f"lab-{name}-{action}.log"
    command = ["ansible-playbook", str(ROOT / "playbooks" / f"lab_{action}.yml"), "-e", f"lab_name={name}", *arguments]
    LOGS.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        status = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            start_new_session=action == "down",  # Out of reach of a second Ctrl-C, which would leave half a lab.
        ).returncode
    if status:
        excerpt = relevant(log.read_text(encoding="utf-8", errors="replace"))
        raise LabError(f"Lab {name}: lab_{action}.yml failed ({status}); full output in {log}\n{excerpt}")


def relevant(output: str) -> str:
    """Return what matters of a failed run: its last failed task (those before were rescued), or else its end."""
    lines = output.splitlines()
    errors = [number for number, line in enumerate(lines) if line.startswith(("fatal:", "failed:", "[ERROR]", "ERROR"))]
    if not errors:
        return "\n".join(lines[-25:])
    tasks = [number for number in range(errors[-1]) if lines[number].startswith("TASK ")]
    start = tasks[-1] if tasks else errors[0]
    return "\n".join(lines[start : start + 25])


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Wait until no other run of the tests on this machine uses the lab of that name."""
    with Path(f"/run/lock/netvirt-test-{name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"    lab {name}: waiting for another run of the tests to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def lab_running(
    name: str, nodes: Mapping[str, str], keep: bool, suites: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Lab]:
    """Bring a lab up and take it down whatever happens, unless it is to be kept.

    ``nodes`` tells the kind by name, ``suites`` those releases of Debian that are not SUITE.
    """
    if os.geteuid() != 0:
        raise LabError("A lab needs root")
    with locked(name):
        before = host.network()
        yield from up_and_down(name, description(nodes, suites), keep, before)
        require_untouched(before, name)


def require_untouched(before: Mapping[str, Any], name: str) -> None:
    """Raise LabError if the lab has changed the network of this machine."""
    after = host.network()
    changed = {part: (before[part], after[part]) for part in before if before[part] != after[part]}
    if changed:
        raise LabError(
            f"Lab {name}: it has changed the network of this machine, which was before and is now: {changed}"
        )


def description(nodes: Mapping[str, str], suites: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables of a lab. Its nodes have eth3 and eth4, the legs of a bond, one on each of two switches."""
    return {
        "lab_nodes": [
            {"name": node, "kind": kind, "links": LEGS, "suite": suites.get(node, SUITE)}
            for node, kind in nodes.items()
        ],
        "lab_extra_networks": [{"name": leg} for leg in LEGS],
        "lab_suite": SUITE,
    }


def up_and_down(name: str, wanted: Mapping[str, Any], keep: bool, before: Mapping[str, Any]) -> Iterator[Lab]:
    """Do what lab_running says, once the lock is held; ``before`` is what the machine's network was."""
    listed = ", ".join(f"{node['name']} ({node['kind']})" for node in wanted["lab_nodes"])
    say(f"    lab {name}: bringing up {listed}")
    lab = None
    try:
        lab_playbook(name, "up", "-e", json.dumps(wanted))
        lab = Lab.attach(name)
        require_untouched(before, name)
        yield lab
    finally:
        if lab:
            lab.close()
        if keep and lab:
            say(f"    lab {name}: left running; inventory {lab.inventory}")
        else:
            previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
            lab_playbook(name, "down")
            signal.signal(signal.SIGINT, previous)
