#!/usr/bin/env bash
# Stage 1 of the NISQA corpus: data/{train,valid,test_for,test_p501,test_livetalk} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of the NISQA corpus; db.sh says where it lies (NISQA=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=nisqa
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}")
. utils/prepare_corpus.sh
