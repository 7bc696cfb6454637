#!/usr/bin/env bash
# The experiment of doc/experiment.md. Call it from the recipe: local/experiment.sh
# It can be stopped at any time; called again, it goes on where it was.
set -e
set -u
set -o pipefail
. utils/process_group.sh # what runs ends with this script
. utils/log.sh
SECONDS=0

stage=1               # Processes starts from the specified stage.
stop_stage=4          # Processes is stopped at the specified stage.
protocol=conf/experiment.yaml  # What is done.
phases=               # Phases of the protocol that stage 2 does; by default all, in its order.
ngpu=0                # GPUs a run (0 = CPU).
nj=2                  # Runs at once, one thread each; processes that make clips.
local_data_opts=      # Options of local/data.sh, e.g. "--speech_dir DIR".
data_dir=data/experiment       # The experiment's own corpus.
audio_dir=downloads/experiment # Its audio.
expdir=exp/experiment          # Runs and their results.
dumpdir=dump/experiment        # Audio, frames and tokens of the runs.
known=results/experiment/scores.json  # Runs that are shipped: those of the same settings,
                      # labels and upstream are not done again; empty: do all.
report_dir=           # Tables and plots; by default in expdir.

help_message="Usage: $0 [--OPTION VALUE]...

Stages: 1 the corpus and its sets, 2 runs, 3 forgetting, 4 report."

log "$0 $*"
. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*" >&2
    exit 2
fi
[ -n "${report_dir}" ] || report_dir=${expdir}/report

# Whether stage $1 is among those asked for.
wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }

if wanted 1; then
    log "Stage 1: A corpus of the experiment's own, and its sets"
    sizes=$(python3 -m mini_mos.bin.run_experiment --protocol "${protocol}" --corpus_options)
    # shellcheck disable=SC2086  # options, split at blanks as in every recipe
    local/data.sh ${sizes} ${local_data_opts} --nj "${nj}" \
        --data_dir "${data_dir}" --audio_dir "${audio_dir}"
    python3 -m mini_mos.bin.experiment_sets --protocol "${protocol}" \
        --data_dir "${data_dir}" --audio_dir "${audio_dir}"
fi

if wanted 2; then
    log "Stage 2: Runs"
    opts=()
    [ -z "${known}" ] || [ ! -f "${known}" ] || opts+=(--known "${known}")
    # shellcheck disable=SC2206  # names
    [ -z "${phases}" ] || opts+=(--phases ${phases})
    python3 -m mini_mos.bin.run_experiment --protocol "${protocol}" \
        --expdir "${expdir}" --dumpdir "${dumpdir}" --data_dir "${data_dir}" \
        --nj "${nj}" --ngpu "${ngpu}" "${opts[@]}"
fi

if wanted 3; then
    log "Stage 3: What fine-tuning leaves of the tokens, in the models that are here"
    for part in development final; do
        compgen -G "${expdir}/${part}/mos_*/done.yaml" >/dev/null || continue
        python3 -m mini_mos.bin.measure_forgetting --protocol "${protocol}" \
            --expdir "${expdir}" --dumpdir "${dumpdir}" --data_dir "${data_dir}" \
            --part "${part}" \
            --output "${expdir}/forgetting_${part}.json"
    done
fi

if wanted 4; then
    log "Stage 4: Report"
    opts=()
    for part in development final; do
        [ ! -f "${expdir}/forgetting_${part}.json" ] ||
            opts+=("${expdir}/forgetting_${part}.json")
    done
    [ "${#opts[@]}" -eq 0 ] || opts=(--forgetting "${opts[@]}")
    python3 -m mini_mos.bin.report_experiment --protocol "${protocol}" \
        --scores "${expdir}/scores.json" --output_dir "${report_dir}" "${opts[@]}"
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
