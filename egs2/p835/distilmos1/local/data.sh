#!/usr/bin/env bash
# Stage 1 of the P.835 reference conditions: data/{fullband,wideband,all,train,valid,test} from the checkout that db.sh names.
set -e
set -u
set -o pipefail

data_dir=data          # data dirs are made in it
strict=false           # other counts than published are an error, else a warning

help_message="Usage: $0 [--OPTION VALUE]...

Writes the data directories of the P.835 reference conditions; db.sh says where they lie (P835=)."

. utils/parse_options.sh # before path.sh: --help needs no environment
corpus=p835
corpus_opts=(--data_dir "${data_dir}" --strict "${strict}")
. utils/prepare_corpus.sh
