# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of guests need on a node.

usage: netvirt_guest.py accelerator auto|kvm|tcg   print as JSON what guests run on; auto: kvm where a guest boots
       netvirt_guest.py tap NAME DEVICE MTU        make a tap device of a guest ready
       netvirt_guest.py stop NAME SECONDS          ask a guest to shut down and wait until it is off
       netvirt_guest.py untap NAME                 delete the guest's tap devices and print their names as JSON
"""

import contextlib
import glob
import grp
import json
import os
import pwd
import socket
import subprocess
import sys
import time

QEMU = "/usr/bin/qemu-system-x86_64"
USER = "netvirt-guest"
CACHE = "/var/lib/netvirt/accelerator.json"
RUN_DIRECTORY = "/run/netvirt/guests"
MARK = "netvirt-guest:"  # In the alias of a tap device, before the name of its guest.
# A processor takes a fraction of a second for the firmware, emulated virtualization may take minutes for a guest.
PROBE_SECONDS = 3


def accelerator(choice):
    """Return what guests run on, and the group that they need for it."""
    found = probed() if choice == "auto" else choice
    gid = device_group() if found == "kvm" else 0
    return {"accelerator": found, "group": grp.getgrgid(gid).gr_name if gid else ""}


def device_group():
    """Return the group that may use KVM, 0 where none but root or everybody may."""
    try:
        return os.stat("/dev/kvm").st_gid
    except FileNotFoundError:
        return 0


def probed():
    """Return kvm where it boots, else tcg; found out once per kernel and version of QEMU."""
    key = [os.uname().release, os.stat(QEMU).st_mtime_ns]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        with open(CACHE, encoding="utf-8") as cache:
            known = json.load(cache)
        if known["key"] == key:
            return known["accelerator"]
    found = "kvm" if boots_with_kvm() else "tcg"
    os.makedirs(os.path.dirname(CACHE), mode=0o755, exist_ok=True)
    with open(CACHE + ".new", "w", encoding="utf-8") as cache:
        json.dump({"key": key, "accelerator": found}, cache)
    os.replace(CACHE + ".new", CACHE)
    return found


def boots_with_kvm():
    """Tell whether the firmware runs through as the guests' user: it finds nothing to boot, resets, and QEMU ends."""
    user = pwd.getpwnam(USER)
    command = [QEMU, "-accel", "kvm", "-cpu", "host", "-machine", "q35,usb=off", "-m", "32", "-no-user-config"]
    command += ["-nodefaults", "-display", "none", "-no-reboot", "-boot", "reboot-timeout=0"]
    try:
        return subprocess.run(
            command, user=user.pw_uid, group=user.pw_gid, extra_groups=[device_group() or user.pw_gid],
            timeout=PROBE_SECONDS, check=False, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode == 0  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False


def tap(name, device, mtu):
    """Make a tap device, or take the one that an earlier start has left.

    It outlives the guest, since Open vSwitch in userspace does not notice that a device is another one of that name.
    """
    if device not in taps(name):
        ip("tuntap", "add", "dev", device, "mode", "tap", "user", USER)
        ip("link", "set", "dev", device, "alias", MARK + name)
    # The node is no party on the guest's network, on none of its addresses.
    for setting, value in ((f"ipv4/conf/{device}/arp_ignore", "8"), (f"ipv6/conf/{device}/disable_ipv6", "1")):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/sys/net/{setting}", "w", encoding="ascii") as file:
            file.write(value)
    ip("link", "set", "dev", device, "mtu", mtu, "up")


def taps(name):
    """Return a guest's tap devices."""
    found = []
    for path in glob.glob("/sys/class/net/*/ifalias"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as alias:
            if alias.read().strip() == MARK + name:
                found.append(path.split("/")[-2])
    return sorted(found)


def untap(name):
    """Delete a guest's tap devices and return their names."""
    found = taps(name)
    for device in found:
        ip("link", "delete", "dev", device)
    return found


def ip(*words):
    """Run ip(8); it says itself what is wrong."""
    status = subprocess.run(["/sbin/ip", *words], check=False, timeout=10).returncode
    if status:
        sys.exit(status)


def stop(name, seconds):
    """Ask by ACPI and by the guest agent, since some guests heed only one, and wait for QEMU to end."""
    deadline = time.monotonic() + seconds
    try:
        monitor = connect(name, "qmp.sock", seconds)
    except OSError:
        return  # QEMU has ended by itself.
    for command in ("qmp_capabilities", "system_powerdown"):
        monitor.sendall(json.dumps({"execute": command}).encode() + b"\n")
    with contextlib.suppress(OSError):
        agent = connect(name, "agent.sock", seconds)
        agent.sendall(b'\xff{"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}}\n')
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline and monitor.recv(65536):
            monitor.settimeout(max(deadline - time.monotonic(), 0.01))


def connect(name, channel, seconds):
    """Return a connection to one of QEMU's sockets."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    connection.connect(os.path.join(RUN_DIRECTORY, name, channel))
    return connection


def main(arguments):
    """Run one command."""
    if len(arguments) == 2 and arguments[0] == "accelerator":
        print(json.dumps(accelerator(arguments[1])))
    elif len(arguments) == 4 and arguments[0] == "tap":
        tap(*arguments[1:])
    elif len(arguments) == 2 and arguments[0] == "untap":
        print(json.dumps(untap(arguments[1])))
    elif len(arguments) == 3 and arguments[0] == "stop":
        stop(arguments[1], float(arguments[2]))
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
