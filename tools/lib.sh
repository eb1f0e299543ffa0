# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by demo, test and bootstrap.sh: where things are, and how progress is told.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
export ROOT

# root may work in the checkout of another user; git asks to be told so.
trust_checkout() {
    local index=${GIT_CONFIG_COUNT:-0}
    export GIT_CONFIG_COUNT=$((index + 1)) "GIT_CONFIG_KEY_$index=safe.directory" "GIT_CONFIG_VALUE_$index=$ROOT"
}
trust_checkout

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The directory for everything that can be made again. It is the checkout's own unless that is read-only.
state_dir() {
    if [[ -w $ROOT ]]; then
        say "$ROOT"
    else
        say "${XDG_CACHE_HOME:-$HOME/.cache}/netvirt-fabric/$(cksum <<<"$ROOT" | cut -d' ' -f1)"
    fi
}

STATE=$(state_dir)
CACHE=$STATE/.cache
VENV=$STATE/.venv
LOGS=$CACHE/logs
export STATE CACHE VENV LOGS

# Seconds since the script started, as the progress lines show them.
elapsed() { printf '%3d s' "$SECONDS"; }

# run_logged LOG COMMAND...: quiet unless it fails; then the end of its output and the place of all of it.
run_logged() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 && return 0
    local status=$?
    tail -n 25 "$log" >&2
    warn "failed ($status): $*; full output in $log"
    return "$status"
}
