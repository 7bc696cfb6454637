#!/usr/bin/env bash
# Stage 1 of SOMOS: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
subset=clean           # clean: labels of trustworthy listeners; full: of all listeners,
                       # as sets train_full, valid_full, test_full
listeners=false        # also write the ratings of single listeners: data/<set>/utt2ratings
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of SOMOS; db.sh says where it lies (SOMOS=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=somos
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}" --subset "${subset}" --listeners "${listeners}")
. utils/prepare_corpus.sh
