#!/usr/bin/env bash
# Stage 1 of the MUSHRA ratings of codecs: data/{all,train,valid,test} from the checkout that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
listeners=false        # also write the ratings of single listeners: data/<set>/utt2ratings
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of the MUSHRA ratings of codecs; db.sh says where they lie (CODEC_MUSHRA=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=codec_mushra
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}" --listeners "${listeners}")
. utils/prepare_corpus.sh
