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
stop_stage=6          # Processes is stopped at the specified stage.
protocol=conf/experiment.yaml  # What is done.
ngpu=0                # GPUs a run (0 = CPU).
nj=2                  # Runs at once, one thread each; processes that make data and clips.
local_data_opts=      # Options of local/data.sh, e.g. "--speech_dir DIR".
expdir=exp/experiment  # Runs and their results.
dumpdir=dump/experiment  # Audio, frames and tokens of the runs.
dev_data_dir=data/development      # The corpus with more clips of the prompts of valid.
dev_audio_dir=downloads/mini_mos_development  # Its audio.
n_valid=600           # Clips drawn from these prompts (development: n_valid).
speech_dir=../ssl1/downloads/speech  # For the probes of stage 5; fetched if need be.
pretrain_config=../ssl1/conf/pretrain_mini.yaml  # Of the upstream: what it has heard.
forgetting_seeds=     # Stage 5 measures final runs of these seeds, e.g. "0 1"; by default all.
forgetting_ablations="tuned no_tokens steps_1080 steps_1080_no_tokens"  # Stage 5 measures
                      # these, too: with and without token loss, else the same settings.
report_dir=           # Tables and plots; by default in expdir.
plan_only=false       # Only write the plan and tell the time it takes.

help_message="Usage: $0 [--OPTION VALUE]...

Stages: 1 data, 2 tuning, 3 final runs (the only one that predicts test sets),
4 ablations, 5 forgetting and features, 6 report. Each goes on where an earlier call was stopped.
$0 --plan_only true tells what is left and how long it takes."

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
# The runs of the protocol, with the options $@.
experiment() {
    python3 -m mini_mos.bin.run_experiment --protocol "${protocol}" \
        --output_dir "${expdir}" --dumpdir "${dumpdir}" --nj "${nj}" --ngpu "${ngpu}" \
        --local_data_opts="${local_data_opts}" "$@"
}

if "${plan_only}"; then
    experiment --plan_only
    exit
fi

if wanted 1; then
    log "Stage 1: Data: training subsets and development sets"
    # shellcheck disable=SC2086  # options, split at blanks as in every recipe
    local/data.sh ${local_data_opts} --nj "${nj}"
    # The same prompts, speakers and systems in every set, but more clips of valid. The
    # test sets keep one clip, which nobody uses, since without them the prompts would
    # be shared out otherwise.
    # shellcheck disable=SC2086
    local/data.sh ${local_data_opts} --nj "${nj}" --n_valid "${n_valid}" \
        --n_test 1 --n_test_speaker 1 --n_test_system 1 \
        --data_dir "${dev_data_dir}" --audio_dir "${dev_audio_dir}"
    python3 -m mini_mos.bin.experiment_sets --protocol "${protocol}" \
        --dev_data_dir "${dev_data_dir}" --dev_audio_dir "${dev_audio_dir}"
fi

if wanted 2; then
    log "Stage 2: Tuning, on development sets only"
    experiment --phases tune
fi

if wanted 3; then
    log "Stage 3: Final runs; test sets are predicted"
    experiment --phases main
fi

if wanted 4; then
    log "Stage 4: Ablations, on development sets only"
    experiment --phases ablate
fi

if wanted 5; then
    log "Stage 5: What the frozen upstream holds, and what fine-tuning leaves of it"
    if [ ! -f "${expdir}/features.json" ]; then
        python3 -m mini_mos.bin.compare_features --nj "${nj}" \
            --raw_dir "${dumpdir}/tune_train/raw" --output "${expdir}/features.json"
    fi
    opts=()
    # shellcheck disable=SC2206  # numbers
    [ -z "${forgetting_seeds}" ] || opts+=(--seeds ${forgetting_seeds})
    # shellcheck disable=SC2206  # names
    [ -z "${forgetting_ablations}" ] || opts+=(--ablations ${forgetting_ablations})
    python3 -m mini_mos.bin.measure_forgetting --protocol "${protocol}" \
        --experiment_dir "${expdir}" --dumpdir "${dumpdir}" --nj "${nj}" \
        --pretrain_config "${pretrain_config}" --speech_dir "${speech_dir}" \
        --output "${expdir}/forgetting.json" "${opts[@]}"
fi

if wanted 6; then
    log "Stage 6: Report"
    opts=()
    [ ! -f "${expdir}/forgetting.json" ] || opts+=(--forgetting "${expdir}/forgetting.json")
    [ ! -f "${expdir}/features.json" ] || opts+=(--features "${expdir}/features.json")
    python3 -m mini_mos.bin.report_experiment --protocol "${protocol}" \
        --scores "${expdir}/scores.json" --output_dir "${report_dir}" "${opts[@]}"
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
