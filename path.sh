# shellcheck shell=bash
# The environment: source this, from any folder (`. ./path.sh`).
#
# On first use local/install.sh makes .venv; afterwards that costs some milliseconds.
# To use an environment of your own instead (it is checked, never changed):
#   export DISTILMOS_PYTHON=/path/to/environment/bin/python
#
# A recipe may stand in an ESPnet checkout (egs2/TEMPLATE/distilmos1/into_espnet.sh), or
# MAIN_ROOT may name one; only cmd.sh looks there, for the scripts that submit to a
# cluster.

if [ -z "${BASH_VERSION-}" ]; then
    echo "path.sh: error: source this from bash" >&2
    return 1
fi

# Recipes link to this file: follow the links to find the repository.
_distilmos_root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P) || return 1
"${_distilmos_root}/local/install.sh" || return 1

if [ -n "${DISTILMOS_PYTHON-}" ]; then
    _distilmos_bin=$(cd "$(dirname "$(command -v "${DISTILMOS_PYTHON}")")" && pwd) || return 1
    # The package is not installed there: take it from here.
    case ":${PYTHONPATH-}:" in
    *":${_distilmos_root}:"*) ;;
    *) export PYTHONPATH="${_distilmos_root}${PYTHONPATH:+:${PYTHONPATH}}" ;;
    esac
else
    _distilmos_bin=${_distilmos_root}/.venv/bin
    export VIRTUAL_ENV=${_distilmos_root}/.venv
    unset PYTHONHOME
    # Images of containers set it. Then every command compiles torch and ESPnet anew:
    # ten seconds of a core before it begins.
    unset PYTHONDONTWRITEBYTECODE
fi
# ESPNET/egs2/CORPUS/distilmos1: by the names in PWD, since any of them may be a link.
_distilmos_espnet=$(dirname "$(dirname "$(dirname "${PWD}")")")
if [ -z "${MAIN_ROOT-}" ] && [ -d "${_distilmos_espnet}/espnet2" ] &&
    [ -d "${_distilmos_espnet}/egs2/TEMPLATE/asr1" ]; then
    export MAIN_ROOT=${_distilmos_espnet}
fi
case "${PATH}:" in
"${_distilmos_bin}:"*) ;;
*) export PATH="${_distilmos_bin}:${PATH}" ;;
esac

export LC_ALL=C             # data files are sorted by bytes
export PYTHONIOENCODING=UTF-8
export PYTHONNOUSERSITE=1   # packages in ~/.local would shadow the pinned ones
# One thread a process, as in ESPnet: sums do not depend on a thread count, jobs run side
# by side, and the tiny upstream trains no faster with two.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# OpenMP threads that wait by spinning take the core from those that have work: on a
# busy machine a training step of two threads then takes ten times as long.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
unset -v _distilmos_root _distilmos_bin _distilmos_espnet
