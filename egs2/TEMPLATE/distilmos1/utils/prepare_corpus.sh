# shellcheck shell=bash
# The end of the local/data.sh of a published corpus, which sources this with
#   corpus       its name, one of `distilmos prepare-corpus`; db.sh has it in capitals
#   corpus_opts  options of that command
# shellcheck disable=SC2154
. utils/log.sh

. ./path.sh
. ./db.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*" >&2
    exit 2
fi
db_name=${corpus^^}
if [ -z "${!db_name}" ]; then
    log "Error: fill the value of '${db_name}' of db.sh (how to get the corpus: README.md)" >&2
    exit 1
fi

python3 -m espnet2_distilmos.bin.prepare_corpus \
    --corpus "${corpus}" --corpus_dir "${!db_name}" "${corpus_opts[@]}"

log "Successfully finished."
