#!/usr/bin/env bash
# Make .venv and install auditor into it, with what the system must bring for PDF reports.
#   scripts/setup.sh demo   auditor and the demo models
#   scripts/setup.sh dev    the same and the tools for tests, checks and documentation
# Environment: PYTHON names the interpreter to use; VENV the folder (default .venv).
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-demo}
venv=${VENV:-.venv}
apt_packages="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core fontconfig"

say() { printf '%s\n' "$*" >&2; }
give_up() { say "error: $*"; exit 1; }

# As root directly, otherwise through sudo where it asks no question or there is a terminal to ask at.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then sudo "$@"
    else return 1
    fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    say "installing with apt-get: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || return 1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

recent_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3 python}; do
        if command -v "$candidate" >/dev/null && recent_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    if [ -x "$venv/bin/python" ] && recent_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1
    then return
    fi
    local python
    if ! python=$(find_python); then
        [ -z "${PYTHON:-}" ] || give_up "PYTHON=$PYTHON: not found or older than Python 3.11"
        apt_install python3 python3-venv || true
        [ "$(uname)" != Darwin ] || ! command -v brew >/dev/null || brew install python@3.12 >&2
        python=$(find_python) || give_up "no Python 3.11 or later found; install one, or name it: make PYTHON=/path/to/python3.12"
    fi
    if ! has_venv "$python"; then
        # Debian keeps these modules in a package of their own, named after the interpreter's version.
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        apt_install "python$version-venv" || true
        has_venv "$python" || give_up "$python lacks the modules venv and ensurepip; install them (Debian, Ubuntu: apt-get install python$version-venv)"
    fi
    say "making $venv with $python"
    "$python" -m venv --clear "$venv"
}

pdf_libraries_load() {
    "$venv/bin/python" - <<'PYTHON' 2>/dev/null
import ctypes, sys
for name in ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0", "libfontconfig.so.1"):
    ctypes.CDLL(name)
PYTHON
}

install_system_libraries() {
    if [ "$(uname)" = Darwin ]; then
        command -v brew >/dev/null || give_up "PDF reports need Pango; install Homebrew and then: brew install pango"
        brew list pango >/dev/null 2>&1 || brew install pango >&2
    elif ! pdf_libraries_load; then
        # shellcheck disable=SC2086  # a list of words is meant
        apt_install $apt_packages || true
        pdf_libraries_load || give_up "PDF reports need Pango, HarfBuzz and a font; install them (Debian, Ubuntu: sudo apt-get install $apt_packages)"
    fi
}

make_venv
install_system_libraries
pip() { "$venv/bin/python" -m pip "$@"; }
pip install --quiet --upgrade 'pip>=25.1'  # the first that knows dependency groups
if [ "$what" = dev ]; then
    pip install --quiet -c constraints.txt --editable '.[demo,sign]' --group dev --group docs --group benchmarks
else
    pip install --quiet -c constraints.txt --editable '.[demo]'
fi
