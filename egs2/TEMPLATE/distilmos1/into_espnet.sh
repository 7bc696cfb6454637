#!/usr/bin/env bash
# Let a recipe of this repository stand in an ESPnet checkout, beside ESPnet's own:
#
#   egs2/TEMPLATE/distilmos1/into_espnet.sh mini_mos ESPNET
#   cd ESPNET/egs2/mini_mos/distilmos1 && ./run.sh
#
# The new folder has copies of what a user edits (cmd.sh, conf/, with ESPnet's own settings
# of the schedulers in it) and links to the rest; its data and experiments stay in it.
# Jobs are sent to a cluster by ESPnet's scripts (cmd_backend in cmd.sh). Nothing else in
# the checkout is touched: remove the folder to undo it.
set -euo pipefail

fail() {
    echo "into_espnet.sh: error: $*" >&2
    exit 1
}
if [ $# -ne 2 ]; then
    fail "usage: $0 CORPUS ESPNET   (e.g. mini_mos ../espnet)"
fi
egs2=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd -P)
source=${egs2}/$1/distilmos1
if [[ $1 == */* || $1 == TEMPLATE || ! -f ${source}/run.sh ]]; then
    fail "$1: no recipe of this corpus in ${egs2}"
fi
if [ ! -d "$2/espnet2" ] || [ ! -d "$2/egs2/TEMPLATE/asr1" ]; then
    fail "$2: not an ESPnet checkout (espnet2/, egs2/TEMPLATE/asr1/)"
fi
target=$(cd "$2" && pwd)/egs2/$1/distilmos1
if [ -e "${target}" ] || [ -L "${target}" ]; then
    fail "${target}: is there already; nothing was changed"
fi

mkdir -p "${target%/*}"
tmp=$(mktemp -d "${target}.XXXXXX") # renamed when it is whole
trap 'rm -rf "${tmp}"' EXIT
for file in "${source}"/*; do
    name=${file##*/}
    case ${name} in
    data | dump | exp | downloads) ;;
    cmd.sh | conf) cp -rL "${file}" "${tmp}/${name}" ;;
    *) ln -s "${file}" "${tmp}/${name}" ;;
    esac
done
for name in slurm.conf queue.conf pbs.conf; do # as ESPnet's own setup.sh does
    file=$2/egs2/TEMPLATE/asr1/conf/${name}
    [ ! -f "${file}" ] || [ -e "${tmp}/conf/${name}" ] || cp -L "${file}" "${tmp}/conf/${name}"
done
chmod 755 "${tmp}"
mv -T "${tmp}" "${target}"
echo "into_espnet.sh: made ${target}"
