#!/usr/bin/env bash
# SOMOS: neural TTS of one voice. db.sh says where the corpus lies.
#
# ./run.sh [--subset clean|full] [options of distilmos.sh]
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"

subset=clean # published comparisons use clean
local_data_opts=
args=()
while [ $# -gt 0 ]; do
    case $1 in
    --subset | --local[-_]data[-_]opts) pair=("$1" "${2-}") && shift ;;
    --subset=* | --local[-_]data[-_]opts=*) pair=("${1%%=*}" "${1#*=}") ;;
    -h | --help)
        echo "  --subset              Labels of trustworthy listeners (clean) or of all (full). (default: clean)"
        pair=() && args+=("$1")
        ;;
    *) pair=() && args+=("$1") ;;
    esac
    case ${pair[0]-} in
    --subset) subset=${pair[1]} ;;
    --local*) local_data_opts=${pair[1]} ;;
    esac
    shift || break
done
sets=("train" "valid" "test")
opts=()
case ${subset} in
clean) ;;
full) # beside the results of clean, which has other labels
    sets=("${sets[@]/%/_full}")
    opts=(--dumpdir dump/full --expdir exp/full --labels local/labels_full.yaml)
    ;;
*)
    echo "run.sh: error: --subset is clean or full, found '${subset}'" >&2
    exit 1
    ;;
esac

exec ./distilmos.sh \
    --upstream conf/upstream/wavlm_base_plus.yaml \
    --train_config conf/train_distilmos.yaml \
    --train_set "${sets[0]}" \
    --valid_set "${sets[1]}" \
    --test_sets "${sets[2]}" \
    ${opts[@]+"${opts[@]}"} \
    ${args[@]+"${args[@]}"} \
    --local_data_opts "--subset ${subset} ${local_data_opts}"
