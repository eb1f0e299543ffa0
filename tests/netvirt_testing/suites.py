# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups that pytest runs: ``unit`` here, ``functional`` inside a node, ``integration`` against three nodes."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from netvirt_testing.lab import INTEGRATION_LAB, Lab, LabError, lab_running
from netvirt_testing.paths import ROOT, environment, source_files
from netvirt_testing.report import Tally

COLLECTION_IN_NODE = "/root/ansible_collections/netvirt/fabric"
REPORT_IN_NODE = "/run/netvirt-functional.xml"
NO_TESTS = 5  # pytest's status when it collected none


def has_tests(directory: str) -> bool:
    """Tell whether the checkout has tests there."""
    return bool(source_files(f"{directory}/**/test_*.py", f"{directory}/test_*.py"))


def finish(tally: Tally, status: int, report: Path) -> None:
    """Count pytest's report; a run that left none, or failed without a failed test, is a failure itself."""
    if report.exists() and report.stat().st_size:
        tally.add_junit(report)
    if status not in {0, 1} or (status == 1 and not tally.failed):
        tally.fail(f"pytest ended with status {status}")


def pytest_here(tally: Tally, directory: str, arguments: list[str]) -> None:
    """Run pytest on this machine."""
    if not has_tests(directory):
        tally.skip(f"{directory}: no tests in this checkout")
        return
    with tempfile.TemporaryDirectory(prefix="netvirt-junit-") as reports:
        report = Path(reports, "junit.xml")
        command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", directory, *arguments]
        finish(tally, subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode, report)


def unit(tally: Tally, arguments: list[str], keep: bool) -> None:
    """Run tests/unit."""
    pytest_here(tally, "tests/unit", arguments)


def integration(tally: Tally, arguments: list[str], keep: bool) -> None:
    """Run tests/integration against a lab of three nodes."""
    if not has_tests("tests/integration"):
        tally.skip("tests/integration: no tests in this checkout")
        return
    with lab_running(INTEGRATION_LAB, ["network1", "compute1", "compute2"], keep):
        pytest_here(tally, "tests/integration", arguments)


def functional(tally: Tally, arguments: list[str], keep: bool) -> None:
    """Run tests/functional inside a node that is thrown away afterwards."""
    if not has_tests("tests/functional"):
        tally.skip("tests/functional: no tests in this checkout")
        return
    with lab_running("testnode", ["node1"], keep) as lab:
        node = lab.nodes[0]
        copy_checkout(lab, node)
        command = ["python3", "-m", "pytest", "-q", f"--junit-xml={REPORT_IN_NODE}"]
        remote = f"cd {COLLECTION_IN_NODE} && {shlex.join([*command, 'tests/functional', *arguments])}"
        status = subprocess.run([*lab.ssh(node), remote], stdin=subprocess.DEVNULL, check=False).returncode
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            report.write(lab.run(node, ["cat", REPORT_IN_NODE], check=False).stdout.encode())
            report.flush()
            finish(tally, status, Path(report.name))


def copy_checkout(lab: Lab, node: str) -> None:
    """Put the files git knows of into the node, at the place Python imports the collection from."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in source_files():
            tar.add(ROOT / path, arcname=str(path))
    remote = f"rm -rf {COLLECTION_IN_NODE} && mkdir -p {COLLECTION_IN_NODE} && tar -xf - -C {COLLECTION_IN_NODE}"
    result = subprocess.run([*lab.ssh(node), remote], input=archive.getvalue(), capture_output=True, check=False)
    if result.returncode:
        raise LabError(f"{node}: cannot copy the collection: {result.stderr.decode()}")
