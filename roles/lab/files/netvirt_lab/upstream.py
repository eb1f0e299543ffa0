# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server of the upstream host: tells each client by which address it was seen."""

from __future__ import annotations

import http.server
import json
import socket
from pathlib import Path

from . import cgroups, model
from .system import PidFile


class Server(http.server.ThreadingHTTPServer):
    """A server for IPv4 and IPv6 on all addresses."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Accept IPv4 as well."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET with both ends of the connection."""

    timeout = 10

    def do_GET(self) -> None:
        """Send ``{"client": ADDRESS, "client_port": NUMBER, "server": ADDRESS}``."""
        client, port = self.client_address[:2]
        server = self.connection.getsockname()[0]
        body = json.dumps({"client": _plain(client), "client_port": port, "server": _plain(server)}) + "\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def _plain(address: str) -> str:
    return address[len("::ffff:") :] if address.startswith("::ffff:") else address


def serve(lab: str, pidfile: Path, port: int) -> None:
    """Serve until killed."""
    cgroups.join(model.namespace(lab), cgroups.SUPERVISORS)
    server = Server(("::", port), Handler)
    PidFile(pidfile).claim()
    server.serve_forever()
