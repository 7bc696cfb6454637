#!/usr/bin/env bash
# TTS engines of Debian and human prompts, scored like the decode folders of tts.sh.
# The page on it, with a run's results: doc/tts.md
set -e
set -u
set -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. utils/log.sh

stage=1       # Processes starts from the specified stage.
stop_stage=3  # Processes is stopped at the specified stage.
nj=2          # The number of parallel jobs of scoring.
model=../../mini_mos/distilmos1/exp/mos_train_distilmos_whisper_tiny_whisper_tiny_en_k200  # The MOS model.

help_message="Usage: $0 [--OPTION VALUE]...

Stages: 1 packages and speech, 2 scoring and table, 3 choice among three folders."

log "$0 $*"
. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh

if [[ ${model} == ../* && ! -e ${model} ]]; then
    log "Error: ${model}: no such model; ./run.sh at the top trains it, or give --model" >&2
    exit 1
fi

if [ "${stage}" -le 1 ] && [ "${stop_stage}" -ge 1 ]; then
    log "Stage 1: TTS engines and human prompts: exp/*/*/*/wav"
    local/data.sh
fi

if [ "${stage}" -le 2 ] && [ "${stop_stage}" -ge 2 ]; then
    log "Stage 2: Scoring: exp/*/*/*/wav/utt2pmos, exp/table.txt"
    local/evaluate_distilmos.sh --nj "${nj}" --python python3 \
        --model "${model}" --table exp/table.txt exp
fi

if [ "${stage}" -le 3 ] && [ "${stop_stage}" -ge 3 ]; then
    # Three voices of one engine stand for three checkpoints of one TTS model.
    log "Stage 3: The best of three: exp/flite/choice.json"
    python3 -m espnet2_distilmos.bin.select_tts_checkpoint exp/flite \
        --model "${model}" --device cpu --output exp/flite/choice.json
fi
log "Successfully finished. [elapsed=${SECONDS}s]"
