#!/usr/bin/env bash
# tiny_mos: the model in the package, from nothing. On the CPU, 25 to 40 minutes on 2 cores.
#
#   predicted  Whisper tiny.en is trained on degraded and synthetic speech, labelled with
#              PESQ and Distill-MOS; of this training are the options given here
#   human      a linear probe of its upstream, fitted to human ratings, takes the greater
#              share of the score; predictions out of fold say how good that is
# The second needs P835 and CODEC_MUSHRA (db.sh), and ends in exp/JUDGED.md and in the
# file of the package. It comes after a whole training only (no --stop_stage, --skip_...).
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"
. utils/log.sh
whole=true
for word in "$@"; do
    case ${word} in
    --tag* | --expdir* | --dumpdir* | --test_sets* | --fold* | --inference_model*)
        fail "${word%%=*}: is fixed in this recipe, whose later steps read what it names"
        ;;
    --stop_stage* | --skip_* | --help | -h) whole=false ;;
    esac
done
. ./db.sh
test_sets="test_speaker order_noise order_voices"
rated=true
[ -n "${P835}" ] && [ -n "${CODEC_MUSHRA}" ] || rated=false
! "${rated}" || test_sets+=" human"

./distilmos.sh \
    --ngpu 0 \
    --upstream conf/upstream/whisper_tiny_en.yaml \
    --train_config conf/tuning/train_distilmos_whisper_tiny.yaml \
    --max_frames 60000 \
    --train_set train \
    --valid_set valid \
    --test_sets "${test_sets}" \
    --set_notes local/set_notes.yaml \
    --tag predicted \
    "$@"
"${whole}" || exit 0
if ! "${rated}"; then
    log "P835 and CODEC_MUSHRA are not both set (db.sh): no human ratings, so this is all"
    exit 0
fi

. ./path.sh
log "Human ratings: exp/mos_human"
python3 -m espnet2_distilmos.bin.format_audio --data_dirs data/voices --output_dir dump/raw
python3 -m mini_mos.bin.rate_tiny_mos \
    --model_file exp/mos_predicted/valid.srcc.best.pth \
    --data_dir dump/raw/human --train_dirs dump/raw/voices \
    --features_dir exp/reference_rows/layer_statistics/whisper_tiny_en \
    --output_dir exp/mos_human --nj 2
out_of_fold=exp/mos_human/out_of_fold
local/embed.sh --model_file exp/mos_human/model.pth \
    --clips data/test_speaker/wav.scp \
    --ref_utt2mos data/human/utt2mos --hyp_utt2mos "${out_of_fold}/utt2mos" \
    --utt2sys data/human/utt2sys \
    --calibration_data "284 clips of 21 conditions: noise (P.835) and codecs (MUSHRA)"

log "Tables: exp/JUDGED.md"
predicted=exp/mos_predicted/inference_valid.srcc.best
scored=exp/mos_human/inference
for dset in order_noise order_voices; do # by the very file of the package
    mkdir -p "${scored}/${dset}"
    distilmos score "dump/raw/${dset}/wav.scp" --model exp/embedded/mos.onnx \
        --format kaldi --output "${scored}/${dset}/utt2mos"
done
python3 -m mini_mos.bin.judge_tiny_mos --output exp/JUDGED.md \
    --row "the model, out of fold" "${out_of_fold}/utt2mos" "${scored}"/order_*/utt2mos \
    --row "its linear probe alone, out of fold" "${out_of_fold}/probe/utt2mos" \
    --row "predicted labels alone" "${predicted}"/{human,order_noise,order_voices}/utt2mos
