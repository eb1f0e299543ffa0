#!/usr/bin/env bash
# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: tools/record.sh [CAST]     make docs/images/demo.svg and docs/images/nat.svg
#
# Records ./demo in a terminal, or takes the recording CAST (asciicast), and draws the document that the demo builds.
# Pauses are cut to 4 s. Needs Graphviz's dot.

set -euo pipefail

# shellcheck source=tools/bootstrap.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/bootstrap.sh"

IMAGES=$ROOT/docs/images
RECORDER=$CACHE/env/record
COLUMNS_AND_LINES=118x17

# termtosvg asks setuptools for its templates by an interface that newer ones lack.
install_recorder() {
    [[ -x $RECORDER/bin/termtosvg ]] && return 0
    "$VENV/bin/python" -m venv "$RECORDER"
    "$RECORDER/bin/pip" install --quiet termtosvg==1.1.0 setuptools==75.8.0
}

draw() {
    local document="lookup('ansible.builtin.file', '$ROOT/examples/nat/fabric.yml') | from_yaml"
    ansible localhost -m ansible.builtin.copy \
        -a "{\"content\": \"{{ $document | netvirt.fabric.dot }}\", \"dest\": \"$CACHE/nat.dot\"}" >/dev/null
    dot -Tsvg "$CACHE/nat.dot" >"$IMAGES/nat.svg"
}

bootstrap runtime
install_recorder
mkdir -p "$IMAGES"
cast=${1:-$CACHE/demo.cast}
[[ $# -gt 0 ]] || "$RECORDER/bin/termtosvg" record "$cast" -g "$COLUMNS_AND_LINES" -c "$ROOT/demo"
"$RECORDER/bin/termtosvg" render "$cast" "$IMAGES/demo.svg" -M 4000 -D 20000 -t window_frame
sed -i 's/<svg /<svg xml:space="preserve" /' "$IMAGES/demo.svg"
draw
