#!/usr/bin/env bash
# Stage 1 of BVCC: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

data_dir=data          # data dirs are made in it
listeners=false        # also write the ratings of single listeners: data/<set>/utt2ratings
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of BVCC; db.sh says where it lies (BVCC=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh
. ./db.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*" >&2
    exit 2
fi
if [ -z "${BVCC}" ]; then
    log "Error: fill the value of 'BVCC' of db.sh (how to get the corpus: README.md)" >&2
    exit 1
fi

python3 -m espnet2_distilmos.bin.prepare_bvcc \
    --corpus_dir "${BVCC}" \
    --data_dir "${data_dir}" \
    --listeners "${listeners}" \
    --strict "${strict}"

log "Successfully finished."
