#!/usr/bin/env bash
# Stage 1 of TMHINT-QI: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

data_dir=data          # data dirs are made in it
seed=0                 # another seed, another validation set
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of TMHINT-QI; db.sh says where it lies (TMHINT_QI=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh
. ./db.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*" >&2
    exit 2
fi
if [ -z "${TMHINT_QI}" ]; then
    log "Error: fill the value of 'TMHINT_QI' of db.sh (how to get the corpus: README.md)" >&2
    exit 1
fi

python3 -m espnet2_distilmos.bin.prepare_tmhint_qi \
    --corpus_dir "${TMHINT_QI}" \
    --data_dir "${data_dir}" \
    --seed "${seed}" \
    --strict "${strict}"

log "Successfully finished."
