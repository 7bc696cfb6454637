#!/usr/bin/env bash
# Pretraining of the tiny upstream of mini_mos: conf/upstream/mini.yaml.
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"
. utils/log.sh
SECONDS=0

stage=1               # Processes starts from the specified stage.
stop_stage=5          # Processes is stopped at the specified stage.
config=conf/pretrain_mini.yaml  # All hyperparameters.
speech_dir=downloads/speech     # Clean speech; what is missing comes from Debian.
corpus_dir=data/ssl   # The degraded corpus.
expdir=exp            # Directory to save experiments.
tag=                  # Name of the experiment; the config's name by default.
export_file=          # The exported model; mini.pt in the experiment by default.
random_upstream=../../../conf/upstream/mini_random.yaml  # What it compares with.
nj=2                  # Processes that make the corpus.
ngpu=0                # The number of GPUs (0 = CPU).
num_threads=2         # Threads of the training on a CPU.

help_message="Usage: $0 [--OPTION VALUE]...

Stages: 1 speech and degraded corpus, 2 targets and iteration 1, 3 targets from
iteration 1 and iteration 2, 4 export, 5 probes of the layers. Each goes on where an
earlier run was stopped."

log "$0 $*"
. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*" >&2
    exit 2
fi
[ -n "${tag}" ] || tag=$(basename "${config}" .yaml)
[ -n "${export_file}" ] || export_file=${expdir}/${tag}/mini.pt
export OMP_NUM_THREADS=${num_threads}

# Whether stage $1 is among those asked for.
wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }

if wanted 1; then
    log "Stage 1: Speech, exclusion list and degraded corpus in ${corpus_dir}"
    python3 -m mini_mos.bin.pretrain_corpus --pretrain_config "${config}" \
        --speech_dir "${speech_dir}" --output_dir "${corpus_dir}" --nj "${nj}"
fi

# Iteration $1, from the weights and the layers of the one before.
train() {
    local previous=()
    [ "$1" -eq 1 ] || previous=(--previous "${expdir}/${tag}_it$(($1 - 1))/model.pt")
    python3 -m mini_mos.bin.pretrain --pretrain_config "${config}" \
        --corpus_dir "${corpus_dir}" --output_dir "${expdir}/${tag}_it$1" \
        --iteration "$1" --ngpu "${ngpu}" --num_threads "${num_threads}" "${previous[@]}"
}

if wanted 2; then
    log "Stage 2: Targets from the spectrum, iteration 1"
    train 1
fi

if wanted 3; then
    log "Stage 3: Targets from iteration 1, iteration 2"
    train 2
fi

if wanted 4; then
    log "Stage 4: Export to ${export_file}"
    python3 -m mini_mos.bin.export_upstream --pretrain_config "${config}" \
        --corpus_dir "${corpus_dir}" --checkpoint "${expdir}/${tag}_it2/model.pt" \
        --output "${export_file}"
fi

if wanted 5; then
    log "Stage 5: Probes of the layers"
    python3 -m mini_mos.bin.probe_layers --pretrain_config "${config}" \
        --speech_dir "${speech_dir}" \
        --upstreams "pretrained=${export_file}" "random=${random_upstream}" \
        --output_dir "${expdir}/${tag}/probes" --nj "${nj}" --num_threads "${num_threads}"
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
