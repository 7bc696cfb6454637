#!/usr/bin/env bash
# Stage 1 of SOMOS: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

data_dir=data          # data dirs are made in it
subset=clean           # clean: labels of trustworthy listeners; full: of all listeners,
                       # as sets train_full, valid_full, test_full
listeners=false        # also write the ratings of single listeners: data/<set>/utt2ratings
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of SOMOS; db.sh says where it lies (SOMOS=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh
. ./db.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*" >&2
    exit 2
fi
if [ -z "${SOMOS}" ]; then
    log "Error: fill the value of 'SOMOS' of db.sh (how to get the corpus: README.md)" >&2
    exit 1
fi

python3 -m espnet2_distilmos.bin.prepare_somos \
    --corpus_dir "${SOMOS}" \
    --data_dir "${data_dir}" \
    --subset "${subset}" \
    --listeners "${listeners}" \
    --strict "${strict}"

log "Successfully finished."
