# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site of the collection's documentation, as Sphinx builds it: ./test ecosystem, or sphinx-build by hand."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

project = "netvirt.fabric"
copyright = "netvirt.fabric contributors"
title = "netvirt.fabric"
html_short_title = "netvirt.fabric"
html_theme = "sphinx_ansible_theme"
html_copy_source = False
html_use_index = False
extensions = ["sphinx_antsibull_ext"]
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True

# Labels of Ansible's own site that pages of a collection refer to. Named here, so that a build needs no network.
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
LABELS = {
    "action_plugins": "plugins/action.html#action-plugins",
    "ansible_configuration_settings": "reference_appendices/config.html#ansible-configuration-settings",
    "common_return_values": "reference_appendices/common_return_values.html#common-return-values",
}


def elsewhere(app: Sphinx, environment: object, node: nodes.Element, content: nodes.Node) -> nodes.Node | None:
    """Return the link to a label of Ansible's site; None leaves it unresolved, which fails the build."""
    page = LABELS.get(node["reftarget"])
    return nodes.reference("", "", content, internal=False, refuri=ANSIBLE + page) if page else None


def setup(app: Sphinx) -> None:
    """Connect what resolves those labels."""
    app.connect("missing-reference", elsewhere)
