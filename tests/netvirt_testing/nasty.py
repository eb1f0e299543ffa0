# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wrong input: a generator of values nobody should give, and of samples with a few things about them changed.

The same seed gives the same inputs. NETVIRT_FUZZ_SEED and NETVIRT_FUZZ_COUNT ask for others and for more of them.
"""

from __future__ import annotations

import copy
import gc
import os
import pickle
import random
from collections.abc import Iterator, Sequence
from typing import Any

SEED = int(os.environ.get("NETVIRT_FUZZ_SEED", "1"))


def count(default: int) -> int:
    """Return how many inputs to try."""
    return int(os.environ.get("NETVIRT_FUZZ_COUNT", default))


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _level in range(levels):
        value = [value]
    return value


_DEEP = _deep(100_000)
gc.freeze()  # or each collection would go through all of it
NUMBERS = (
    *(0, 1, -1, 2, 4, 6, 7, 67, 68, 255, 256, 1279, 1280, 4094, 4095, 4096, 65535, 65536, 99999),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 2**64, 10**30, 10**5000, -(10**5000)),
    *(1.5, 1e400, -1e400, float("nan"), True, False),
)
WORDS = (
    *("", " ", "\n", "\r\n", "\t", "\0", "\x1b[31m", "\x7f", "a\nb", "a\n", "\na", "x\r\ny", " a ", "a b", "a" * 16),
    *("a" * 65, "a" * 256, "a" * 10_000, "9" * 5000, "-9", "+1", "0x10", "010", "1_0", "1e3", "None", "null", "all"),
    *("'", '"', '"""', "\\", "\\n", "\\\n", "`id`", "$(id)", "${IFS}", "; id", "| id", "&& id", "> /tmp/x", "*", "?"),
    *("~", "!", "#", "a#b", "%n", "%i", "%%", "{{ x }}", "{% x %}", "{x}", "%s", "--help", "-x", "=", "a=b", "a:b"),
    *("/", ".", "..", "../..", "../../etc/passwd", "/etc/passwd", "/run/netns/x", "a/b", "a/../b", "/\n", "//", "CON"),
    *(
        "é",
        "\uff21\uff22",
        "\uff11\uff10",
        "\u0663",
        "\u212a",
        "\u0131",
        "ß",
        "\u202e",
        "\u2028",
        "\u0085",
        "\ufeff",
        "\ud800",
        "😀",
        "a\u0301",
    ),
    *(",", "a,b", ",,", "a,,b", "tag:x", "set:x", "id:*", "option:router,1.2.3.4", "1.2.3.4,5.6.7.8", "infinite"),
    *(
        "24h",
        "0",
        "1",
        "ignore",
        "dhcp-script=/bin/sh",
        "\ndhcp-script=/bin/sh",
        "conf-file=/etc/passwd",
        "address=/#/",
    ),
    *("[Service]", "\nExecStart=/bin/sh", "ExecStart=/bin/sh", "a\\", "}", "};", "flush ruleset", "policy drop;"),
    *("::", "::1", "0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "169.254.1.1", "ff02::1", "fe80::1"),
    *("fe80::1%eth0", "fe80::1%a\nb", "::ffff:1.2.3.4", "1.2.3.4", "1.2.3", "01.2.3.4", "1.2.3.4.5", "1:2", "::/0"),
    *("0.0.0.0/0", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/-1", "2001:db8::/129"),
    *("2001:db8::1/64", "10.0.0.1/32", "default", "default6", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "52:54:00"),
    *("02:00:00:00:00:01", "0200.0000.0001", "inherit", "flow", "lo", "eth9", "br-int", "absent", "present"),
)
_KEYS = ("name", "namespace", "state", "x", "", "a\nb", "'", "\ud800", "é", "k" * 10_000, "netvirt-owner", "a=b")


class Nasty:
    """A source of wrong input."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(f"{SEED} {seed}")

    def mutants(self, samples: Sequence[Any], number: int) -> Iterator[Any]:
        """Yield samples with one change or a few, and now and then something that is no sample at all."""
        known = [value for sample in samples for _holder, _key, value in _places(sample)]
        packed = [pickle.dumps(sample) for sample in samples]  # which copies faster than copy.deepcopy()
        for _index in range(number):
            if self.random.random() < 0.03:
                yield self.value()
                continue
            mutant = pickle.loads(self.random.choice(packed))
            places = _places(mutant)
            for _change in range(self.random.choice((1, 1, 1, 2, 2, 3, 5))):
                holder, key, value = self.random.choice(places)
                self._change(holder, key, value, known)
            yield mutant

    def value(self, depth: int = 3) -> Any:
        """Return something wrong, in most places."""
        pick = self.random.random()
        if pick < 0.3:
            return self.random.choice(NUMBERS)
        if pick < 0.75 or not depth:
            return self.random.choice(WORDS)
        if pick < 0.77:
            return self.random.choice((_DEEP, {"a": _DEEP}, [[]], {}, [], None))
        items = [self.value(depth - 1) for _item in range(self.random.randrange(4))]
        if pick < 0.9:
            return items
        return {self.key(): item for item in items}

    def key(self) -> Any:
        """Return a key of a dictionary: mostly text, as JSON has it; YAML has numbers, too."""
        return self.random.choice(NUMBERS) if self.random.random() < 0.1 else self.random.choice((*_KEYS, *WORDS))

    def _change(self, holder: Any, key: Any, value: Any, known: Sequence[Any]) -> None:
        pick = self.random.random()
        if isinstance(holder, list) and key >= len(holder):
            return
        if pick < 0.35:
            holder[key] = self.value()
        elif pick < 0.5:
            holder[key] = copy.deepcopy(self.random.choice(known))
        elif pick < 0.6 and isinstance(holder, dict):
            holder.pop(key, None)
            holder[self.key() if self.random.random() < 0.5 else key] = value
        elif pick < 0.65 and isinstance(holder, dict):
            holder[self.key()] = self.value()
        elif pick < 0.75 and isinstance(holder, list):
            holder.append(value if self.random.random() < 0.5 else self.value())
        elif pick < 0.8:
            holder[key] = None
        else:
            holder[key] = self._tweaked(value)

    def _tweaked(self, value: Any) -> Any:
        """Return something close to a value."""
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return [value] if self.random.random() < 0.5 else self.value()
        if isinstance(value, int):
            near = (value + 1, value - 1, -value, value * 1000, str(value), f" {value}\n", float(value))
            return self.random.choice(near)
        at = self.random.randrange(len(value) + 1)
        into = self.random.choice(WORDS)[:20]
        return self.random.choice((value[:at] + into + value[at:], value[:at] + value[at + 1 :], value + "\n", into))


def _places(value: Any) -> list[tuple[Any, Any, Any]]:
    """Return all places inside a sample: what holds the value, under which key, and the value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    result = []
    for key, item in pairs:
        result += [(value, key, item), *_places(item)]
    return result
