#!/usr/bin/env bash
# tiny_mos: the model in the wheel, from nothing. On the CPU, 40 minutes on 2 cores.
#
# Three trainings of Whisper tiny.en, of which the options given here go to each:
#   predicted  on degraded and synthetic speech with labels of Distill-MOS and PESQ
#   folds      from there on human ratings, six times without a sixth of their systems:
#              how good the last one is on what it has not heard
#   human      the same on all human ratings: the model that is exported
# The last two need P835 and CODEC_MUSHRA (db.sh).
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

given=("$@")
recipe() {
    ./distilmos.sh \
        --ngpu 0 \
        --upstream conf/upstream/whisper_tiny_en.yaml \
        --train_config conf/tuning/train_distilmos_whisper_tiny.yaml \
        --max_frames 60000 \
        --train_set train \
        --valid_set valid \
        --test_sets "test_speaker order_noise order_voices" \
        --set_notes local/set_notes.yaml \
        "$@" "${given[@]}"
}

# 284 clips must not make it forget the rest: few steps at lower rates, and clips of the
# first training among them. No tokens, of which every fold would have its own.
from_predicted() {
    recipe \
        --train_config conf/tuning/train_distilmos_whisper_tiny_human.yaml \
        --train_args "--init_param exp/mos_predicted/valid.srcc.best.pth:::network.predictor.readout,network.predictor.token_heads" \
        --inference_model valid.mos_loss.best.pth \
        --tag human \
        "$@"
}

log "Training 1 of 3: labels of Distill-MOS and PESQ"
recipe --tag predicted
case " $* " in *" --help "* | *" -h "*) exit 0 ;; esac
if [ ! -d data/human ]; then
    log "No human ratings (P835 and CODEC_MUSHRA, see db.sh): trainings 2 and 3 are left out"
    exit 0
fi
log "Training 2 of 3: human ratings, in six folds of systems"
from_predicted --folds 6 --fold_by system --fold_set human --fold_train_set replay \
    --reference_rows false
log "Training 3 of 3: all human ratings"
from_predicted --train_set replay_human
