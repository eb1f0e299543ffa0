# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run machines that behave like a fleet on this one; see ``python3 nvlab.py --help``."""

import sys

from netvirt_lab.cli import main

sys.exit(main())
