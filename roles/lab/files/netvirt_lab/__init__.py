# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: nodes on one machine that behave as machines, made from one description."""
