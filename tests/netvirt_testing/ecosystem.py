# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group ``ecosystem``: what Galaxy, the documentation's site and a release ask of the collection."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from netvirt_testing import environments
from netvirt_testing.paths import CACHE, LOGS, ROOT
from netvirt_testing.report import Tally, say
from netvirt_testing.sanity import copy_checkout

REQUIREMENTS = ("-r", str(ROOT / "tests" / "ecosystem.txt"))
NAME = "netvirt.fabric"
_FILE = re.compile(r"^```yaml\n(# (\w+\.yml)\b.*?)^```$", re.MULTILINE | re.DOTALL)


class Fault(Exception):
    """What a check found."""


class Checks:
    """The checks, on a copy of the checkout."""

    def __init__(self, collections: Path, programs: Path) -> None:
        self.collections = collections
        self.checkout = collections / "ansible_collections" / "netvirt" / "fabric"
        self.environment = {**environments.variables(programs), "ANSIBLE_COLLECTIONS_PATH": str(collections)}

    def run(self, name: str, *command: str, cwd: Path | None = None) -> str:
        """Run a program and return its output; raise Fault with the end of it when it fails."""
        result = subprocess.run(
            command,
            cwd=cwd or self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        log = LOGS / f"ecosystem-{name}.log"
        log.write_text(result.stdout, encoding="utf-8")
        if result.returncode:
            raise Fault(
                f"{' '.join(command)} ended with status {result.returncode}; see {log}\n{result.stdout[-3000:]}"
            )
        return result.stdout

    def importer(self) -> None:
        """Galaxy takes the built artifact, which has nothing that belongs to the checkout alone."""
        self.run("build", "ansible-galaxy", "collection", "build", "--force", "--output-path", str(self.collections))
        artifact = next(self.collections.glob("*.tar.gz"))
        hidden = [name for name in self.run("artifact", "tar", "-tzf", str(artifact)).splitlines() if name[0] == "."]
        if hidden:
            raise Fault(f"the artifact has {', '.join(hidden)}; see build_ignore in galaxy.yml")
        # The group lint runs ansible-lint, without the importer's limit of two minutes.
        (self.collections / "importer.cfg").write_text(
            "[galaxy-importer]\nrun_ansible_lint = False\n", encoding="utf-8"
        )
        self.environment["GALAXY_IMPORTER_CONFIG"] = str(self.collections / "importer.cfg")
        said = self.run("importer", "python", "-m", "galaxy_importer.main", str(artifact), cwd=self.collections)
        if complaints := re.findall(r"^(?:WARNING|ERROR): .*", said, re.MULTILINE):
            raise Fault("\n".join(complaints))

    def stranger(self) -> None:
        """The artifact works from an empty directory that only ansible.cfg names, as does the how-to of Molecule."""
        home, artifact = self.collections / "home", next(self.collections.glob("*.tar.gz"))
        blocks = _FILE.findall((self.checkout / "docs" / "contributing.md").read_text(encoding="utf-8"))
        files = {f"molecule/default/{name}": text for text, name in blocks if name != "verify.yml"}
        files |= {name: text for text, name in blocks if name == "verify.yml"}
        files["ansible.cfg"] = "[defaults]\ncollections_path = collections\n"
        files["site.yml"] = files["verify.yml"].replace(f"{NAME}.verify", f"{NAME}.fabric")
        for name, text in files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text, encoding="utf-8")
        everywhere = self.environment
        self.environment = {name: text for name, text in everywhere.items() if not name.startswith("ANSIBLE_")}
        try:
            self.run("install", "ansible-galaxy", "collection", "install", "--offline", str(artifact), cwd=home)
            playbooks = [f"{NAME}.{path.stem}" for path in (self.checkout / "playbooks").glob("*.yml")]
            self.run(
                "syntax", "ansible-playbook", "--syntax-check", "molecule/default/create.yml", *playbooks, cwd=home
            )
            self.run("molecule", "molecule", "syntax", cwd=home)
        finally:
            self.environment = everywhere

    def release(self) -> None:
        """The next version can be released."""
        self.run("release", "antsibull-changelog", "release", "--reload-plugins")
        version = yaml.safe_load((self.checkout / "galaxy.yml").read_text(encoding="utf-8"))["version"]
        text = (self.checkout / "changelogs" / "changelog.yaml").read_text(encoding="utf-8")
        if version not in yaml.safe_load(text)["releases"]:
            raise Fault(f"changelogs/changelog.yaml has no release {version}")

    def docs(self) -> None:
        """The documentation is good, down to the options that it refers to."""
        self.run("docs", "antsibull-docs", "lint-collection-docs", "--plugin-docs", ".")

    def site(self) -> None:
        """The documentation's site is built without a warning."""
        pages = self.collections / "rst"
        pages.mkdir(mode=0o755)
        self.run("pages", "antsibull-docs", "collection", "--use-current", "--dest-dir", str(pages), NAME)
        (pages / "index.rst").write_text(f"{NAME}\n{'=' * len(NAME)}\n\n.. toctree::\n\n   collections/index\n")
        configuration = str(self.checkout / "docs" / "docsite")
        output = str(self.collections / "html")
        self.run("site", "sphinx-build", "-q", "-W", "--keep-going", "-c", configuration, str(pages), output)


def run(tally: Tally) -> None:
    """Run every check; each is one test."""
    try:
        programs = environments.made("ecosystem", REQUIREMENTS)
    except environments.NoEnvironment as error:
        tally.fail(str(error))
        return
    with tempfile.TemporaryDirectory(prefix="ecosystem-", dir=CACHE) as collections:
        checks = Checks(Path(collections), programs)
        copy_checkout(checks.checkout)
        # The release changes the copy.
        listed: list[Callable[[], None]] = [
            checks.importer,
            checks.stranger,
            checks.docs,
            checks.site,
            checks.release,
        ]
        for check in listed:
            try:
                check()
                tally.passed += 1
            except Fault as fault:
                say(str(fault))
                tally.fail(f"{check.__name__}: {(check.__doc__ or '').rstrip('.')} - no")
