#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR/../..
# Stage 1 of a corpus of your own: data/{train,valid,test} from a CSV.
set -e
set -u
set -o pipefail
. utils/log.sh

csv=${DISTILMOS_CSV-}  # the table: wav,mos[,system][,split]; run.sh --csv sets it
data_dir=data          # data dirs are made in it
scale=1,5              # ends of the rating scale
label_kind=            # what the scores are: human, objective (a measure) or predicted (by
                       # a model); empty: recorded as not stated
label_name=${DISTILMOS_LABEL_NAME-}        # what they are called (MOS, PESQ...)
label_licence=${DISTILMOS_LABEL_LICENCE-}  # of the corpus
scales=${DISTILMOS_SCALES-}  # columns that are further scales
valid_fraction=0.1     # shares of the held-out sets, where the CSV has no column split
test_fraction=0.1      # likewise
seed=0                 # of the draws
skip_bad=false         # leave bad lines out (listed) instead of stopping

help_message="Usage: $0 --csv FILE [--scale LOW,HIGH] [--label_kind human|objective|predicted] ...

Checks the CSV and makes data/train, data/valid and data/test; doc/your_corpus.md says
what the CSV may look like."

. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*"
    exit 2
fi
if [ -z "${csv}" ]; then
    log "Error: --csv FILE is needed: a table with the columns wav,mos[,system][,split]" >&2
    exit 2
fi

if [ -f local/labels.yaml ] && [ -n "${label_kind}${label_name}${label_licence}" ]; then
    log "Error: local/labels.yaml says what the labels are: give that or --label_kind, --label_name and --label_licence" >&2
    exit 2
fi

python3 -m espnet2_distilmos.bin.prepare_csv \
    --csv "${csv}" \
    --data_dir "${data_dir}" \
    --scale "${scale}" \
    --corpus "$(basename "$(dirname "${PWD}")")" \
    --label_kind "${label_kind:-not stated}" \
    --label_name "${label_name}" \
    --label_licence "${label_licence}" \
    --scales "${scales}" \
    --valid_fraction "${valid_fraction}" \
    --test_fraction "${test_fraction}" \
    --seed "${seed}" \
    --skip_bad "${skip_bad}"

log "Successfully finished."
