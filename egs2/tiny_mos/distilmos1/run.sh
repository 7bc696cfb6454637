#!/usr/bin/env bash
# The model in the wheel: Whisper tiny.en on degraded and synthetic speech, then on human
# ratings. On the CPU, about 40 minutes on 2 cores; P835 and CODEC_MUSHRA in db.sh.
#
#   1  labels of Distill-MOS and PESQ; scored on the human ratings as they are (zero-shot)
#   2  from there, human ratings in six folds by system, with a part of 1 in each: how
#      good it is on clips and systems of their kind that it has not heard
#   3  the same on all human ratings: the model; exported with its intervals
#
# Options go to all three: --stage and --stop_stage as everywhere.
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}
case " $* " in *" --help "* | *" -h "*) exec ./distilmos.sh --help ;; esac
. ./path.sh
. ./db.sh

common=(
    --ngpu 0
    --upstream conf/upstream/whisper_tiny_en.yaml
    --set_notes local/set_notes.yaml
    "$@"
)
first=exp/mos_predicted/valid.srcc.best.pth
# A short training at a lower rate, so that 284 clips do not make it forget the rest: no
# tokens, since each fold would have its own, and a part of the first clips in their place.
again=(
    --train_config conf/tuning/train_distilmos_whisper_tiny_human.yaml
    --inference_model valid.mos_loss.best.pth
    --train_args "--init_param ${first}:::network.predictor.readout,network.predictor.token_heads"
)

log "1: labels of Distill-MOS and PESQ"
./distilmos.sh \
    --train_config conf/tuning/train_distilmos_whisper_tiny.yaml \
    --tag predicted \
    --max_frames 60000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test_speaker order_noise order_voices" \
    "${common[@]}"
if [ ! -d data/human ]; then
    log "P835 and CODEC_MUSHRA are not set (db.sh): no human ratings, so this is all"
    exit 0
fi

log "2: human ratings, six folds"
./distilmos.sh "${again[@]}" --tag human \
    --folds 6 --fold_by system --fold_set human --fold_train_set replay \
    --train_set replay --valid_set valid --test_sets human \
    "${common[@]}"

log "3: all human ratings"
./distilmos.sh "${again[@]}" --tag human \
    --train_set replay_human --valid_set valid \
    --test_sets "test_speaker order_noise order_voices" \
    "${common[@]}"
