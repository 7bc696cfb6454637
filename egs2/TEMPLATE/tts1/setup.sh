#!/usr/bin/env bash
# Put local/evaluate_distilmos.sh into a TTS recipe of an ESPnet checkout, or take it away.
#
#   egs2/TEMPLATE/tts1/setup.sh ESPNET/egs2/ljspeech/tts1
#   egs2/TEMPLATE/tts1/setup.sh --undo ESPNET/egs2/ljspeech/tts1
#
# That one file is all that is written. `scripts` and `pyscripts` of a recipe are links
# into ESPnet's template, which all recipes share: nothing is written through them.
set -euo pipefail

fail() {
    echo "setup.sh: error: $*" >&2
    exit 1
}
usage="usage: $0 [--undo] RECIPE   (e.g. ESPNET/egs2/ljspeech/tts1)"

undo=false
target=
for arg in "$@"; do
    case ${arg} in
    -h | --help)
        echo "${usage}"
        exit 0
        ;;
    --undo) undo=true ;;
    -*) fail "unknown option ${arg}; ${usage}" ;;
    *)
        [ -z "${target}" ] || fail "one recipe at a time; ${usage}"
        target=${arg}
        ;;
    esac
done
[ -n "${target}" ] || fail "which recipe? ${usage}"
[ -d "${target}" ] || fail "${target}: no such folder"

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
root=$(cd "${here}/../../.." && pwd -P)
name=local/evaluate_distilmos.sh
file=${target}/${name}
# A line that holds the hash of all others: it tells our file from any other.
mark='# Put here by setup.sh of DistilMOS, which takes it away with --undo: '
digest() { grep -vF "${mark}" "$@" | sha256sum | cut -d ' ' -f 1; }

if "${undo}"; then
    [ -e "${file}" ] || [ -L "${file}" ] || fail "${file}: is not there, nothing to undo"
    if [ -L "${file}" ] || [ -L "${target}/local" ] ||
        ! grep -qxF "${mark}$(digest "${file}")" "${file}"; then
        fail "${file}: not as setup.sh left it; take it away yourself"
    fi
    rm "${file}"
    echo "setup.sh: took ${file} away"
    exit 0
fi

for part in path.sh cmd.sh utils; do
    [ -e "${target}/${part}" ] || fail "${target}: no ${part} in it, not a recipe of ESPnet"
done
[ ! -L "${target}/local" ] ||
    fail "${target}/local: is a link; other recipes may share what it points to"
[ -d "${target}/local" ] || fail "${target}: no folder local/ in it"
[ ! -e "${file}" ] && [ ! -L "${file}" ] || fail "${file}: is there already (--undo takes it away)"

tmp=$(mktemp "${file}.XXXXXX")
trap 'rm -f "${tmp}"' EXIT
filled() {
    local line
    while IFS= read -r line; do
        case ${line} in
        distilmos_root=*) printf 'distilmos_root=%q\n' "${root}" ;;
        *) printf '%s\n' "${line}" ;;
        esac
    done <"${here}/${name}"
}
hash=$(filled | digest)
filled | { # the mark goes behind the first line
    IFS= read -r first
    printf '%s\n%s%s\n' "${first}" "${mark}" "${hash}"
    cat
} >"${tmp}"
chmod 755 "${tmp}"
# ln, not mv: it fails where somebody has made the file meanwhile.
ln "${tmp}" "${file}" || fail "${file}: cannot be written"
echo "setup.sh: wrote ${file}; in ${target}: ${name} --help"
