#!/usr/bin/env bash
# Stage 1 of SingMOS: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of SingMOS; db.sh says where it lies (SINGMOS=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=singmos
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}")
. utils/prepare_corpus.sh
