#!/usr/bin/env bash
# DistilMOS, its network without tokens, SSL-MOS and the linear probe on this corpus, out
# of fold, from the upstream and from the main job's model, with several seeds each. Call it
# from the recipe; it can be stopped at any time, and called again goes on where it was.
set -e
set -u
set -o pipefail
. utils/process_group.sh # what runs ends with this script
. utils/log.sh
SECONDS=0

seeds="0 1 2 3 4"     # Seeds of the trainings.
main_model=           # Checkpoint of the main job: exp/mos_*/valid.srcc.best.pth of mini_mos.
results=results/out_of_fold  # Predictions are copied there, and tables are made from there.
tables_only=false     # Only make the tables from `results`; needs stage 1 of the folds.

help_message="Usage: $0 [--OPTION VALUE]...

All in all 30 trainings of a minute a seed, one core. Predictions and RATINGS.md: --results."

log "$0 $*"
. utils/parse_options.sh
. ./path.sh
[ $# -eq 0 ] || fail "no positional arguments are expected, found: $*"

"${tables_only}" || [ -f "${main_model}" ] ||
    fail "--main_model '${main_model}': the checkpoint of the main job of mini_mos is needed"

cv=cv5_system
if "${tables_only}"; then
    ./run.sh --folds 5 --stop_stage 1
else
    ./run.sh --folds 5 --stop_stage 4
    # shellcheck disable=SC2086  # numbers
    python3 -m mini_mos.bin.train_on_ratings \
        --seeds ${seeds} --main_model "${main_model}" --output_dir "${results}"
    # The rows to compare with, out of the same folds.
    ./run.sh --folds 5 --stage 6 --tag "distilmos_upstream_s${seeds%% *}" \
        --inference_tag inference --inference_model valid.mos_loss.ave.pth
    for row in linear_probe_whisper_tiny_en spectral_statistics; do
        mkdir -p "${results}/${row}"
        cp "exp/${cv}/reference_rows/${row}/${cv}/utt2mos" "${results}/${row}/"
    done
fi
rm -rf "exp/${cv}/probe90"
python3 -m mini_mos.bin.share_of_probe --dir "${results}" --share 0.9 \
    --output_dir "exp/${cv}/probe90" --probe_dir "${results}/linear_probe_whisper_tiny_en"
# The folders $1_s0,$1_s1,...
of_seeds() {
    local seed folders=()
    for seed in ${seeds}; do folders+=("$1_s${seed}"); done
    (IFS=, && echo "${folders[*]}")
}
models=()
for start in upstream main; do
    for model in distilmos notokens sslmos; do
        models+=("${model}_${start}=$(of_seeds "${results}/${model}_${start}")")
    done
    # The same trainings with nine tenths of the probe.
    models+=("distilmos_${start}_probe90=$(of_seeds "exp/${cv}/probe90/distilmos_${start}")")
done
# Talkers are the second cluster: all systems speak the same sentences of the same talkers.
python3 -m espnet2_distilmos.bin.compare_seeds --data_dir "dump/${cv}/raw/${cv}" \
    --models "${models[@]}" "probe=${results}/linear_probe_whisper_tiny_en" \
    "trees=${results}/spectral_statistics" \
    --clusters utt2sys utt2spk --metrics srcc mse \
    --pairs distilmos_upstream-notokens_upstream distilmos_main-notokens_main \
    distilmos_upstream-probe distilmos_main-probe sslmos_upstream-probe sslmos_main-probe \
    distilmos_main-distilmos_upstream \
    distilmos_upstream_probe90-probe distilmos_main_probe90-probe \
    --output "${results}/RATINGS.md"
log "Successfully finished. [elapsed=${SECONDS}s]"
