# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The code blocks of the documentation, and what is wrong with each: nothing is shown that nobody has tried."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.netvirt.fabric.plugins.module_utils._errors import NetvirtError
from ansible_collections.netvirt.fabric.plugins.module_utils._node import SETTINGS
from ansible_collections.netvirt.fabric.plugins.module_utils._options import validate as validate_options
from ansible_collections.netvirt.fabric.plugins.module_utils._registry import KINDS, parse
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._errors import FabricError
from ansible_collections.netvirt.fabric.plugins.plugin_utils._document._validate import validate
from ansible_collections.netvirt.fabric.plugins.plugin_utils._tasks import _known
from netvirt_testing.__main__ import GROUPS
from netvirt_testing.paths import ROOT

PAGES = ("*.md", ".github/*.md", "docs/*.md", "docs/docsite/rst/*.rst", "roles/*/README.md", "examples/*/README.md")
PLUGINS = ("plugins/modules/*.py", "plugins/filter/*.py")  # their EXAMPLES
OURS = "netvirt.fabric."
COMMANDS = (
    *("./test", "./demo", ".ci/run", ".venv/bin/python", "pip ", "molecule "),
    *("ansible ", "ansible-playbook", "ansible-doc", "ansible-galaxy"),
)
HOSTS = [f"{name}{number}" for name in ("network", "compute") for number in range(1, 6)]
OUTPUT = ("text", "mermaid")
_PROMPT = re.compile(r"^[$#] ")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)((?: {4}.*\n)+)")
_EXAMPLES = re.compile(r'^EXAMPLES = r"""\n(.*?)^"""$', re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"^\.\. code-block:: (\S+)\n\n((?:(?: {3}.*)?\n)+)", re.MULTILINE)
_REASON = re.compile(r"(?:\.\. not run: .+|<!-- not run: .+ -->)\n\n?$")


@dataclass(frozen=True)
class Block:
    """A code block: its page and line, its language, and whether the page says why nobody runs it."""

    page: str
    line: int
    language: str
    text: str
    excused: bool


def blocks() -> Iterator[Block]:
    """Yield all blocks. One that is only indented counts when it begins with a command of the project."""
    for path in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
        page, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        for found in (_DIRECTIVE if path.suffix == ".rst" else _FENCE).finditer(text):
            yield _block(page, text, found.start(), found[1], found[2])
        for found in _INDENTED.finditer(_FENCE.sub(_blank, text)) if path.suffix == ".md" else ():
            if found[1].strip().startswith(COMMANDS):
                yield _block(page, text, found.start(), "console", found[1])
    for path in sorted(path for pattern in PLUGINS for path in ROOT.glob(pattern)):
        page, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        for found in _EXAMPLES.finditer(text):
            yield _block(page, text, found.start(), "yaml+jinja", found[1])


def _blank(found: re.Match[str]) -> str:
    return "".join(character if character == "\n" else "." for character in found[0])


def _block(page: str, text: str, start: int, language: str, content: str) -> Block:
    excused = _REASON.search(text[:start]) is not None
    return Block(page, text.count("\n", 0, start) + 1, language, textwrap.dedent(content), excused)


def faults(block: Block) -> list[str]:
    """Return what is wrong with a block."""
    if block.excused or block.language in OUTPUT:
        return []
    if block.language in ("yaml", "yaml+jinja"):
        return [fault for content in yaml.safe_load_all(block.text) for fault in _of_yaml(content)]
    if block.language in ("console", "sh"):
        return [fault for command in _commands(block.text) for fault in _of_command(command)]
    if block.language == "python":
        compile(block.text, block.page, "exec")
        return []
    return [f"nobody tries a block of {block.language or 'no language'}; say why with: not run: REASON"]


def _of_yaml(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        yield from _of_variables(content)
        return
    for entry in content:
        imported = [str(value) for key, value in entry.items() if key.rpartition(".")[2] == "import_playbook"]
        if imported:
            yield from _of_playbook(imported[0])
        elif "hosts" in entry:
            for role in entry.get("roles", ()):
                yield from _of_role(role)
            for task in entry.get("tasks", ()):
                yield from _of_task(task)
        else:
            yield from _of_task(entry)


def _of_variables(content: dict[str, Any]) -> Iterator[str]:
    if any(name.startswith("fabric_") for name in content):
        try:
            validate(content, HOSTS)
        except FabricError as error:
            yield from error.faults
        return
    roles = {name.partition("_")[0] for name in content}
    known = {role for role in roles if (ROOT / "roles" / role).is_dir()}
    if roles != known:
        yield f"nobody tries {', '.join(content)}; say why with: not run: REASON"
    yield from _known.unknown(content, known)


def _of_role(role: Any) -> Iterator[str]:
    entry = role if isinstance(role, dict) else {"role": role}
    name = entry["role"].removeprefix(OURS)
    if not (ROOT / "roles" / name).is_dir():
        yield f"there is no role {name}"
    else:
        yield from _known.unknown(entry.get("vars", {}), [name])


def _of_task(task: dict[str, Any]) -> Iterator[str]:
    modules = [key for key in task if "." in key]
    if len(modules) != 1:
        yield f"the task {task.get('name')} has {len(modules)} modules of a collection"
        return
    name, options = modules[0].removeprefix(OURS), task[modules[0]] or {}
    if not modules[0].startswith(OURS):
        if not modules[0].startswith("ansible.builtin."):
            yield f"nobody tries {modules[0]}; say why with: not run: REASON"
    elif name in KINDS or name == "apply":
        settings = {setting: options[setting] for setting in SETTINGS if setting in options}
        try:
            validate_options(SETTINGS, settings, name)
            if name != "apply":
                parse([{name: {option: value for option, value in options.items() if option not in settings}}])
            elif "{{" not in options["resources"]:
                parse(options["resources"])
        except NetvirtError as error:
            yield str(error)
    else:
        path = ROOT / "plugins" / "modules" / f"{name}.py"
        if not path.is_file():
            yield f"there is no module {name}"
            return
        documented = yaml.safe_load(
            path.read_text(encoding="utf-8").partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
        )
        yield from (f"{name} has no option {option}" for option in options if option not in documented["options"])


def _commands(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(_PROMPT.sub("", line), comments=True)
        if words:
            yield words


def _of_command(words: list[str]) -> Iterator[str]:
    program, arguments = words[0], words[1:]
    if program == "ansible-playbook":
        for index, word in enumerate(arguments):
            if arguments[index - 1 : index] in (["-i"], ["-e"], ["--limit"], ["--tags"]):
                if word.startswith("@examples/") and not (ROOT / word[1:]).is_file():
                    yield f"there is no file {word[1:]}"
            elif not word.startswith("-"):
                yield from _of_playbook(word)
    elif program == "ansible-doc":
        name = arguments[-1].removeprefix(OURS)
        if not ((ROOT / "roles" / name).is_dir() or (ROOT / "plugins" / "modules" / f"{name}.py").is_file()):
            yield f"there is no role or module {name}"
    elif program == "./test":
        named = arguments[: arguments.index("--")] if "--" in arguments else arguments
        groups = [word for word in named if not word.startswith("-")]
        if groups[:1] not in (["scenario"], ["molecule"]):
            yield from (f"there is no group {group}" for group in groups if group not in GROUPS)
    elif program == "./demo":
        yield from (f"./demo has no {word}" for word in arguments if word not in ("down", "--cache", "-v", "--verbose"))
    elif program == ".venv/bin/python":
        if not (ROOT / arguments[0]).is_file():
            yield f"there is no file {arguments[0]}"
    elif program == "ansible":
        if not arguments[arguments.index("-m") + 1].startswith("ansible.builtin."):
            yield "nobody tries this module"
    elif program != ".ci/run":
        yield f"nobody tries {program}; say why with: not run: REASON"


def _of_playbook(name: str) -> Iterator[str]:
    path = f"playbooks/{name.removeprefix(OURS)}.yml" if name.startswith(OURS) else name
    if not (ROOT / path).is_file():
        yield f"there is no playbook {name}"
