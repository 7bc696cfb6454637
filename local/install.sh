#!/usr/bin/env bash
# Make or update the virtual environment .venv; path.sh calls this every time.
#
# Nothing to do costs some milliseconds: .venv/.stamp holds what the environment was
# made from, and is written last. An install that was cut short is begun anew.
# With DISTILMOS_PYTHON set, that interpreter is checked instead, and nothing is made.
set -euo pipefail

say() { echo "install.sh: $*" >&2; }
fail() {
    say "error: $*"
    exit 1
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=.venv
log=.venv-install.log
incomplete=${venv}/.incomplete # there while packages are being put in

if [ -n "${DISTILMOS_PYTHON-}" ]; then
    command -v "${DISTILMOS_PYTHON}" >/dev/null ||
        fail "DISTILMOS_PYTHON (${DISTILMOS_PYTHON}): no such program"
    exec "${DISTILMOS_PYTHON}" -I "${root}/local/check_python.py" "${root}/pyproject.toml"
fi
cd "${root}"

# What the environment depends on. The folder is part of it (scripts in .venv/bin name
# it), and so is the Python behind it, which may be updated or removed.
fingerprint() {
    [ -x ${venv}/bin/python ] && [ -f ${venv}/pyvenv.cfg ] || return 1
    { cat pyproject.toml constraints.txt && grep '^version' ${venv}/pyvenv.cfg && pwd -P; } |
        { sha256sum 2>/dev/null || shasum -a 256; }
}
up_to_date() { [ -f ${venv}/.stamp ] && [ "$(fingerprint)" = "$(cat ${venv}/.stamp)" ]; }

# Print the interpreter behind $1 if that runs and is 3.12 or 3.13. Only running it
# tells: a pyenv shim exists for every version that pyenv has, and fails for most.
# _base_executable: a virtual environment may be active, even the one to be replaced.
try_python() {
    "$@" -I -c '
import sys
if sys.version_info[:2] not in ((3, 12), (3, 13)):
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)
' 2>/dev/null
}

find_python() {
    local candidate pyenv=${PYENV_ROOT:-${HOME-}/.pyenv}
    for candidate in "${PYTHON:-python3.12}" python3.12 python3.13 python3 python \
        "${pyenv}"/versions/3.12*/bin/python "${pyenv}"/versions/3.13*/bin/python; do
        try_python "${candidate}" && return
    done
    for candidate in 3.12 3.13; do
        candidate=$(uv python find --no-python-downloads "${candidate}" 2>/dev/null) &&
            try_python "${candidate}" && return
    done
    return 1
}

# Other shells wait here. The lock ends with this process and what it started.
lock() {
    local take='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | int(sys.argv[1]))'
    exec 9>.venv.lock
    if ! "${python}" -c "${take}" 4 2>/dev/null; then # 4: LOCK_NB
        say "another install is running here; waiting for it"
        "${python}" -c "${take}" 0
    fi
}

# Whether .venv can be used: it runs, stands where it was made (its scripts name the
# folder), and no install was cut short in it.
venv_is_sound() {
    [ ! -e ${incomplete} ] && try_python ${venv}/bin/python >/dev/null &&
        grep -qF "${root}/${venv}" ${venv}/bin/activate
}

make_venv() {
    if [ -e ${venv} ]; then
        say "${venv} is unfinished, moved or of another Python: making it anew"
        rm -rf ${venv}
    fi
    say "Python: ${python}"
    "${python}" -m venv ${venv} >>${log} 2>&1 && return
    # Debian's python3 has no ensurepip without python3-venv; uv can do without.
    uv venv --clear --seed --python "${python}" ${venv} >>${log} 2>&1
}

# Print the command of uv: the user's own, or one put into the environment.
find_uv() {
    command -v uv && return
    [ -x ${venv}/bin/uv ] ||
        ${venv}/bin/python -m pip install -c constraints.txt uv >>${log} 2>&1 || return 1
    echo ${venv}/bin/uv
}

install_packages() {
    local uv what=(-c constraints.txt -e '.[train,mini,test]')
    if ${fresh}; then
        say "installing packages (5.9 GB; 1 minute with uv, 4 with pip, plus the download); log: ${log}"
    else
        say "bringing ${venv} up to date; log: ${log}"
    fi
    if uv=$(find_uv); then
        "${uv}" pip install --python ${venv}/bin/python "${what[@]}" >>${log} 2>&1 && return
        # uv reads other settings than pip: a mirror may be known to pip alone.
        say "uv did not succeed, trying pip"
    else
        say "uv cannot be had, using pip"
    fi
    ${venv}/bin/python -m pip install "${what[@]}" >>${log} 2>&1
}

if up_to_date; then
    exit 0
fi

python=$(find_python) ||
    fail "Python 3.12 or 3.13 is needed and none was found: install one (apt install python3.12-venv, pyenv install 3.12 or uv python install 3.12) or set PYTHON=/path/to/python3.12"
lock
if up_to_date; then # by the one we waited for
    exit 0
fi

start=${SECONDS}
: >${log}
fresh=false
if ! venv_is_sound; then
    fresh=true
    make_venv || fail "${venv} could not be made with ${python}, see ${log} (Debian and Ubuntu: apt install python3.12-venv)"
fi
rm -f ${venv}/.stamp
touch ${incomplete}
if ! install_packages; then
    # A whole environment that could not be updated is worth keeping: installers
    # fetch everything before they change anything.
    ${fresh} || rm -f ${incomplete}
    fail "packages could not be installed, the reason is at the end of ${log}"
fi
rm -f ${incomplete}
fingerprint >${venv}/.stamp.tmp
mv ${venv}/.stamp.tmp ${venv}/.stamp
say "done in $((SECONDS - start)) s"
