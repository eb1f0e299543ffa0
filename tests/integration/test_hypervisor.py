# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role hypervisor on a host that lacks a package, which is in a repository of the host's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netvirt_testing.lab import Lab, PlayResult

NODE = "compute1"
PACKAGE = "netvirt-lacking"
REPOSITORY = "/srv/netvirt-repository"
MAKE = f"""
set -e
mkdir -p {REPOSITORY}/root/DEBIAN /etc/apt.away
cd {REPOSITORY}
printf '%s\\n' 'Package: {PACKAGE}' 'Version: 1' 'Architecture: all' 'Maintainer: nobody <nobody@localhost>' \
    'Description: a package that does nothing' > root/DEBIAN/control
dpkg-deb --build root {PACKAGE}.deb
cp root/DEBIAN/control Packages
printf '%s\\n' 'Filename: ./{PACKAGE}.deb' "Size: $(stat -c %s {PACKAGE}.deb)" \
    "SHA256: $(sha256sum {PACKAGE}.deb | cut -d' ' -f1)" >> Packages
for found in /etc/apt/sources.list /etc/apt/sources.list.d; do
    [ ! -e $found ] || mv $found /etc/apt.away/
done
echo 'deb [trusted=yes] file:{REPOSITORY} ./' > /etc/apt/sources.list
"""
UNDO = f"""
dpkg --purge {PACKAGE}
rm -rf {REPOSITORY} /etc/apt/sources.list /var/lib/apt/lists/_srv_*
mv /etc/apt.away/* /etc/apt/
rmdir /etc/apt.away
"""


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Iterator[Callable[[bool], PlayResult]]:
    """Return a function that plays the role, and a task after it."""
    path = tmp_path / "play.yml"
    after = {"name": "Go on", "ansible.builtin.debug": {"msg": "the role is over"}}
    role = {"role": "netvirt.fabric.hypervisor", "vars": {"hypervisor_packages": ["openvswitch-switch", PACKAGE]}}
    path.write_text(
        json.dumps([{"hosts": NODE, "become": True, "gather_facts": False, "roles": [role], "tasks": [after]}]),
        encoding="utf-8",
    )
    lab.run(NODE, ["sh", "-c", MAKE])
    yield lambda check: lab.playbook(path, check=check)
    lab.run(NODE, ["sh", "-c", UNDO])


def test_a_mirror_that_is_away_ends_the_run_with_its_name(lab: Lab, play: Callable[[bool], PlayResult]) -> None:
    lab.run(NODE, ["sh", "-c", "echo 'deb [trusted=yes] http://127.0.0.1:9/away ./' > /etc/apt/sources.list"])
    begin = time.monotonic()
    result = play(False)
    assert time.monotonic() - begin < 40  # on a machine that does other things, too; five tries took 75 s
    message = result.failed[-1].result["msg"]
    assert message.startswith(f"{NODE} lacks {PACKAGE}, which cannot be installed: ")
    assert "http://127.0.0.1:9/away" in message


def is_installed(lab: Lab) -> bool:
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", PACKAGE]
    return lab.run(NODE, argv, check=False).stdout == "installed"


def test_what_is_missing_is_installed_and_check_mode_says_so(lab: Lab, play: Callable[[bool], PlayResult]) -> None:
    planned = play(True)
    assert planned.returncode == 0, planned.output
    said = planned.of(NODE, "Say which packages would be installed")["msg"]
    assert said.startswith(f"{NODE} lacks {PACKAGE}, which a run installs. Check mode ends here for this host")
    assert "the role is over" not in planned.output
    assert not is_installed(lab)
    done = play(False)
    assert done.returncode == 0, done.output
    assert is_installed(lab)
    assert "the role is over" in done.output
    assert play(False).changed == []
