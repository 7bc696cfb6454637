#!/usr/bin/env bash
# Make the recipe of a corpus of your own:
#   egs2/TEMPLATE/distilmos1/setup.sh egs2/mycorpus/distilmos1
set -e
set -u
set -o pipefail

fail() {
    echo "setup.sh: error: $*" >&2
    exit 1
}
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
    echo "Usage: $0 egs2/<corpus>/distilmos1

Makes a recipe folder: links to the shared scripts and settings, a run.sh and a
local/data.sh that take a CSV (wav,mos[,system][,split]):
  cd egs2/<corpus>/distilmos1 && ./run.sh --csv FILE" >&2
    [[ ${1-} == -h || ${1-} == --help ]] && exit 0
    exit 2
fi

template=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
target=${1%/}
[ "$(basename "${target}")" = distilmos1 ] ||
    fail "${target}: a folder <corpus>/distilmos1 was expected, e.g. egs2/mycorpus/distilmos1"
if [ -e "${target}" ]; then
    fail "${target}: is there already; nothing was changed"
fi
mkdir -p "$(dirname "${target}")"
parent=$(cd "$(dirname "${target}")" && pwd -P)

# Under another name until it is whole; links are relative, so that the tree can move.
new=${parent}/.distilmos1.$$
trap 'rm -rf "${new}"' EXIT
mkdir "${new}"
for name in distilmos.sh path.sh cmd.sh utils; do
    ln -s "$(realpath -s --relative-to "${new}" "${template}/${name}")" "${new}/${name}"
done
ln -s "$(realpath --relative-to "${new}" "${template}/../../../conf")" "${new}/conf"
cp -r "${template}/setup/." "${new}/"
mv -T "${new}" "${target}"

echo "made ${target}; next:
  cd ${target} && ./run.sh --csv FILE    # columns: wav,mos[,system][,split]"
