#!/usr/bin/env bash
# The main job: ./run.sh [--corpus NAME] [options of egs2/NAME/distilmos1/run.sh]
#
# Trains and scores on the default corpus, mini_mos, from nothing: the environment and
# the data are made on the way. Every other option is handed on (--help lists them).
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

corpus=mini_mos
help=false
args=()
while [ $# -gt 0 ]; do
    case $1 in
    --corpus)
        corpus=${2-}
        shift
        ;;
    --corpus=*) corpus=${1#*=} ;;
    -h | --help) help=true && args+=("$1") ;;
    *) args+=("$1") ;;
    esac
    shift || break
done

names=(egs2/*/distilmos1/run.sh)
names=("${names[@]%/distilmos1/run.sh}")
if [[ ${corpus} == */* || ! -x egs2/${corpus}/distilmos1/run.sh ]]; then
    echo "run.sh: error: no recipe for corpus '${corpus}', there are: ${names[*]#egs2/}" >&2
    exit 1
fi
if "${help}"; then
    echo "Usage: ./run.sh [--corpus NAME] [--OPTION VALUE]...

  --corpus              The recipe in egs2/ to run: ${names[*]#egs2/} (default: mini_mos).
                        What follows are its options.
"
fi
cd "egs2/${corpus}/distilmos1"
exec ./run.sh ${args[@]+"${args[@]}"}
