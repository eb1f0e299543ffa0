# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the report of playbooks/verify.yml as a table of guests, and fail when a check in it failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HEADER = ("node", "network", "guest", "address", "by DHCP", "reached")


def reached(checks: list[dict[str, Any]]) -> str:
    """Return what was reached, and in capitals what was not as it should."""
    return ", ".join(f"{check['what']}" if check["ok"] else f"FAILED: {check['what']}" for check in checks)


def rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the table's rows, one a guest, in the order of nodes, and then those of canaries."""
    guests = sorted(report["guests"], key=lambda guest: (guest["canary"], guest["node"], guest["guest"]))
    return [
        (
            guest["node"],
            guest["network"],
            guest["guest"],
            guest.get("address") or "none",
            "yes" if guest["lease"] else "-" if guest["canary"] else "NO",
            reached(guest["checks"]),
        )
        for guest in guests
    ]


def main() -> int:
    """Print the table; the status tells whether everything in it is as it should be."""
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    table = [HEADER, *rows(report)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    good = all(
        (guest["lease"] or guest["canary"]) and all(check["ok"] for check in guest["checks"])
        for guest in report["guests"]
    )
    return 0 if good and report["guests"] else 1


if __name__ == "__main__":
    sys.exit(main())
