#!/usr/bin/env bash
# Stage 1 of BVCC: data/{train,valid,test} from the corpus that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
listeners=false        # also write the ratings of single listeners: data/<set>/utt2ratings
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of BVCC; db.sh says where it lies (BVCC=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=bvcc
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}" --listeners "${listeners}")
. utils/prepare_corpus.sh
