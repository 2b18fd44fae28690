#!/bin/sh
# Makes .venv with a Python that is new enough and installs one pinned set into it: requirements/bootstrap.sh demo|dev|docs|engines
# Does nothing when that set is already there. Stopped half-way, it starts again where it must: the stamp is written last.
set -eu
cd "$(dirname "$0")/.."
set_name=$1
set_file=requirements/$set_name.txt
stamp=.venv/installed-$set_name
venv_python=.venv/bin/python

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }
complete() { "$1" -c 'import ctypes, ensurepip, ssl, venv' 2>/dev/null; }

# Versions whose wheels were all tried come first.
candidates() {
    for version in 3.13 3.12 3.14 3.15; do
        command -v "python$version" || true
        for folder in /usr/bin /usr/local/bin /opt/homebrew/bin /opt/local/bin; do
            printf '%s\n' "$folder/python$version"
        done
        for found in "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version".*/bin/python3 \
            "${UV_PYTHON_INSTALL_DIR:-${HOME:-}/.local/share/uv/python}"/cpython-"$version".*/bin/python3 \
            "/Library/Frameworks/Python.framework/Versions/$version/bin/python3"; do
            printf '%s\n' "$found"
        done
    done
    command -v python3 || true
    printf '%s\n' /usr/bin/python3 /usr/local/bin/python3
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.12 or later."
        complete "$PYTHON" || fail "PYTHON=$PYTHON lacks one of ctypes, ensurepip, ssl, venv (on Debian: apt install python3-venv)."
        printf '%s\n' "$PYTHON"
        return
    fi
    incomplete=
    list=$(candidates)
    while IFS= read -r candidate; do
        if [ -x "$candidate" ] && new_enough "$candidate"; then
            if complete "$candidate"; then
                printf '%s\n' "$candidate"
                return
            fi
            incomplete=${incomplete:-$candidate}
        fi
    done <<END
$list
END
    if [ -n "$incomplete" ]; then
        fail "$incomplete lacks one of ctypes, ensurepip, ssl, venv. On Debian or Ubuntu: apt install python3-venv (or the" \
            "package of that version, such as python3.13-venv). Or name another: make $set_name PYTHON=/path/to/python3.13"
    fi
    fail "No Python 3.12 or later was found (python3 is $(python3 --version 2>&1 || echo missing)). Install one, for example" \
        "with your package manager, pyenv or 'uv python install 3.13', or name it: make demo PYTHON=/path/to/python3.13"
}

checksum() { { cksum <"$set_file"; "$venv_python" --version; } | tr '\n' ' '; }

make_venv() {
    if [ -e .venv ]; then
        say "Making .venv again: it is incomplete, or its Python is gone or older than 3.12."
    fi
    python=$(find_python)
    say "Making .venv with $("$python" --version) ($python)."
    "$python" -m venv --clear .venv || fail "Making .venv failed. Is $(pwd) writable, and the disk not full?"
}

# uv does not read pip.conf: where an index is configured for pip, pass it to uv for this run only.
lend_pip_index_to_uv() {
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=${PIP_INDEX_URL:-$("$venv_python" -m pip config get global.index-url 2>/dev/null || true)}
        if [ -n "$index" ]; then
            UV_DEFAULT_INDEX=$index
            export UV_DEFAULT_INDEX
        fi
    fi
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "${PIP_CERT:-}" ]; then
        SSL_CERT_FILE=$PIP_CERT
        export SSL_CERT_FILE
    fi
}

install_set() {
    pip="$venv_python -m pip --disable-pip-version-check"
    if [ ! -x .venv/bin/uv ]; then
        say "Installing uv into .venv."
        $pip install --quiet --require-hashes -r requirements/uv.txt || say "uv cannot be installed here; pip does it, more slowly."
    fi
    if [ -x .venv/bin/uv ]; then
        lend_pip_index_to_uv
        say "Installing $set_file with uv."
        .venv/bin/uv pip install --python "$venv_python" --compile-bytecode --require-hashes -r "$set_file" && return
        say "uv could not; trying with pip."
    fi
    $pip install --require-hashes -r "$set_file" ||
        fail "Installing $set_file failed. Is the package index reachable, and the disk not full? Run the same command again."
}

[ -f "$set_file" ] || fail "There is no $set_file."
if ! { [ -x "$venv_python" ] && new_enough "$venv_python" && "$venv_python" -c 'import pip' 2>/dev/null; }; then
    make_venv
fi
wanted=$(checksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
    install_set
    printf '%s' "$wanted" >"$stamp"
fi
