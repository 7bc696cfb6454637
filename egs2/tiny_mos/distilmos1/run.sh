#!/usr/bin/env bash
# tiny_mos: the model in the package, from nothing. On the CPU, 50 minutes on 2 cores.
#
# Three trainings of Whisper tiny.en, of which the options given here go to each:
#   predicted  on degraded and synthetic speech, labelled with PESQ and Distill-MOS
#   folds      from there on human ratings, six times without a sixth of their systems:
#              how good the last one is on what it has not heard
#   human      the same on all human ratings: the model that is put into the package
# The last two need P835 and CODEC_MUSHRA (db.sh). Tables of all: exp/JUDGED.md.
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}
fail() {
    log "Error: $*" >&2
    exit 1
}
whole=true # all stages: only then are there tables, and a file for the package
for word in "$@"; do
    case ${word} in
    --tag* | --expdir* | --dumpdir* | --train_* | --test_sets* | --fold* | --inference_model*)
        fail "${word%%=*}: each of the three trainings has its own; see this script"
        ;;
    --stop_stage* | --skip_*) whole=false ;;
    --help | -h)
        sed -n '/^# tiny_mos/,/^# The last two/{s/^# \{0,1\}//;p}' "$0"
        echo
        ;;
    esac
done
. ./db.sh
test_sets="test_speaker order_noise order_voices"
rated=true
[ -n "${P835}" ] && [ -n "${CODEC_MUSHRA}" ] || rated=false
! "${rated}" || test_sets+=" human"

given=("$@")
recipe() {
    ./distilmos.sh \
        --ngpu 0 \
        --upstream conf/upstream/whisper_tiny_en.yaml \
        --train_config conf/tuning/train_distilmos_whisper_tiny.yaml \
        --max_frames 60000 \
        --train_set train \
        --valid_set valid \
        --test_sets "${test_sets}" \
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

case " $* " in
*" --help "* | *" -h "*)
    recipe
    exit 0
    ;;
esac
log "Training 1 of 3: labels of PESQ and Distill-MOS"
recipe --tag predicted
if ! "${rated}"; then
    log "No human ratings (P835 and CODEC_MUSHRA, see db.sh): trainings 2 and 3 are left out"
    exit 0
fi
log "Training 2 of 3: human ratings, in six folds of systems"
folds=cv6_system_human_with_replay
from_predicted --folds 6 --fold_by system --fold_set human --fold_train_set replay \
    --reference_rows false
log "Training 3 of 3: all human ratings"
from_predicted --train_set replay_human --test_sets "test_speaker order_noise order_voices"

"${whole}" || exit 0
. ./path.sh
tag=inference_valid.mos_loss.best
out_of_fold=exp/${folds}/mos_human/${tag}/${folds}/utt2mos
orders() { echo "$1/order_noise/utt2mos" "$1/order_voices/utt2mos"; }
zero_shot=exp/mos_predicted/inference_valid.srcc.best
# shellcheck disable=SC2046  # two files
python3 -m mini_mos.bin.judge_tiny_mos --output exp/JUDGED.md \
    --row "out of fold" "${out_of_fold}" $(orders "exp/mos_human/${tag}") \
    --row "predicted labels alone" "${zero_shot}/human/utt2mos" $(orders "${zero_shot}")
local/embed.sh --model_file exp/mos_human/valid.mos_loss.best.pth \
    --clips data/test_speaker/wav.scp \
    --ref_utt2mos data/human/utt2mos --hyp_utt2mos "${out_of_fold}" \
    --utt2sys data/human/utt2sys \
    --calibration_data "284 clips of 21 conditions: noise (P.835) and codecs (MUSHRA)"
