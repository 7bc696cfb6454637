#!/usr/bin/env bash
# Stage 1 of TMHINT-QI: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
seed=0                 # another seed, another validation set
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of TMHINT-QI; db.sh says where it lies (TMHINT_QI=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=tmhint_qi
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}" --seed "${seed}")
. utils/prepare_corpus.sh
