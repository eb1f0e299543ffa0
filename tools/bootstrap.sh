# Copyright: (c) 2026, netvirt.fabric contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by demo and test: installs what they need, once, and says nothing when there is nothing to do.
#
#   bootstrap runtime    requirements.txt: enough for the playbooks and the demo
#   bootstrap tests      tests/requirements.txt as well

# shellcheck source=tools/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

PYTHON_MIN=11
PYTHON_MAX=14

# Print the first Python 3 that ansible-core of requirements.txt runs on.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.{13,12,11,14}; do
        if "$candidate" -c "import sys; sys.exit(not (3, $PYTHON_MIN) <= sys.version_info[:2] <= (3, $PYTHON_MAX))" \
            2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# Print the Debian packages without which the rest cannot start.
missing_packages() {
    local python
    python=$(find_python) || python=
    [[ -n $python ]] || say python3
    # Debian ships venv without ensurepip until python3-venv is there.
    { [[ -n $python ]] && "$python" -c 'import ensurepip, venv' 2>/dev/null; } || say python3-venv
    command -v git >/dev/null || say git
    command -v ssh >/dev/null || say openssh-client
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || say ca-certificates
}

install_packages() {
    say "installing system packages: $*"
    [[ $EUID -eq 0 ]] || die "these packages are missing and only root can install them: $*"
    command -v apt-get >/dev/null || die "these packages are missing and there is no apt-get to install them: $*"
    mkdir -p "$LOGS"
    # A third-party source that fails must not keep the distribution's packages from us.
    run_logged "$LOGS/apt-update.log" apt-get -o DPkg::Lock::Timeout=300 update || warn 'apt-get update failed; going on'
    DEBIAN_FRONTEND=noninteractive run_logged "$LOGS/apt-install.log" \
        apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" ||
        die "cannot install the system packages: $*"
}

ensure_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    [[ ${#packages[@]} -eq 0 ]] || install_packages "${packages[@]}"
    find_python >/dev/null ||
        die "Python 3.$PYTHON_MIN to 3.$PYTHON_MAX is needed, found $(python3 --version 2>&1 || say none)"
}

# A stamp names all that decides about the content of the venv, so that a moved checkout gets a new one.
stamp_of() { { say "$VENV"; cat -- "$@"; } | cksum; }

make_venv() {
    say "creating ${VENV#"$ROOT"/} with $("$1" --version)"
    run_logged "$LOGS/venv.log" "$1" -m venv --clear "$VENV" || die "cannot create $VENV"
}

# ensure_requirements STAMP FILE...: install the requirement files into the venv unless the stamp says they are.
ensure_requirements() {
    local stamp=$VENV/$1 file constraints=$ROOT/tools/constraints.txt arguments=()
    shift
    for file in "$@"; do arguments+=(-r "$file"); done
    [[ -f $stamp && $(<"$stamp") == "$(stamp_of "$@" "$constraints")" ]] && return 0
    say "installing Python packages: ${*#"$ROOT"/}"
    run_logged "$LOGS/pip.log" "$VENV/bin/python" -m pip install --disable-pip-version-check \
        -c "$constraints" "${arguments[@]}" ||
        die 'cannot install the Python packages'
    stamp_of "$@" "$constraints" >"$stamp"
}

# Ansible finds a collection only at ansible_collections/NAMESPACE/NAME; the checkout may be called anything.
link_collection() {
    local link=$CACHE/collections/ansible_collections/netvirt/fabric
    [[ $link -ef $ROOT ]] && return 0
    mkdir -p "${link%/*}"
    ln -sfn "$ROOT" "$link"
}

venv_works() { [[ -f $VENV/home && $(<"$VENV/home") == "$VENV" ]] && "$VENV/bin/python" -c '' 2>/dev/null; }

install_all() {
    if ! venv_works; then
        ensure_packages
        make_venv "$(find_python)"
        say "$VENV" >"$VENV/home"
    fi
    local files=("$ROOT/requirements.txt")
    [[ $1 == runtime ]] || files+=("$ROOT/tests/requirements.txt")
    ensure_requirements "stamp-$1" "${files[@]}"
    link_collection
}

bootstrap() {
    mkdir -p "$LOGS" 2>/dev/null || die "cannot write to $CACHE"
    [[ $STATE == "$ROOT" ]] || say "$ROOT is read-only; using $STATE"
    # demo and test may run at the same time.
    (flock 9 && install_all "$1") 9>"$CACHE/bootstrap.lock" || exit 1
    export ANSIBLE_CONFIG=$ROOT/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$CACHE/collections
    export PATH=$VENV/bin:$PATH
}
