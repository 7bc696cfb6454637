#!/usr/bin/env bash
# A corpus of your own: ./run.sh --csv FILE    (wav,mos[,system][,split])
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"

preset=auto   # wavlm: WavLM base+ on a GPU.  whisper: Whisper tiny.en on the CPU, most of
              # whose score is a linear probe's.  mini: a tiny upstream on the CPU.
              # auto: wavlm where there is a GPU, else mini.
csv=          # for local/data.sh, like the four options that are collected below
data_opts=
# As conf/tuning/train_distilmos_own*.yaml choose the checkpoint: by the validation set's
# error, the mean of the five best epochs. Other settings choose their own.
model_opts=(--inference_model valid.mos_loss.ave.pth)

args=()
while [ $# -gt 0 ]; do
    name=${1%%=*}
    case ${name} in
    --preset | --csv | --scale | --label_kind | --label_name | --label_licence | --skip_bad | --valid_fraction | --test_fraction | --local_data_opts)
        if [[ $1 == *=* ]]; then
            value=${1#*=}
        elif [ $# -ge 2 ]; then
            value=$2
            shift
        else
            echo "run.sh: error: option ${name} needs a value" >&2
            exit 1
        fi
        case ${name} in
        --preset) preset=${value} ;;
        --csv) csv=${value} ;;
        --local_data_opts) data_opts+=" ${value}" ;;
        --label_name) export DISTILMOS_LABEL_NAME=${value} ;; # may hold blanks, like the next
        --label_licence) export DISTILMOS_LABEL_LICENCE=${value} ;;
        *) data_opts+=" ${name}=${value}" ;;
        esac
        ;;
    -h | --help)
        echo "Usage: $0 --csv FILE [--scale LOW,HIGH] [--label_kind human|objective|predicted]
       [--label_name NAME] [--label_licence TEXT] [--skip_bad true] [--valid_fraction F]
       [--test_fraction F] [--scales 'COLUMN COLUMN'] [--preset auto|mini|whisper|wavlm] [options of the stages]
"
        args+=(--help)
        ;;
    *)
        [[ ${name} != --train_config ]] || model_opts=()
        # The columns of further scales: for local/data.sh, and for training.
        case $1 in
        --scales=*) export DISTILMOS_SCALES=${1#*=} ;;
        --scales) export DISTILMOS_SCALES=${2-} ;;
        esac
        args+=("$1")
        ;;
    esac
    shift
done

if [ "${preset}" = auto ]; then
    preset=mini
    if nvidia-smi -L 2>/dev/null | grep -q .; then preset=wavlm; fi
    echo "run.sh: --preset ${preset}, as this machine has $([ "${preset}" = wavlm ] && echo a || echo no) GPU" >&2
fi
case ${preset} in
mini)
    opts=(--ngpu 0 --upstream conf/upstream/mini.yaml --n_clusters 50 --max_frames 60000
        --train_config conf/tuning/train_distilmos_own_mini.yaml)
    ;;
whisper)
    opts=(--ngpu 0 --upstream conf/upstream/whisper_tiny_en.yaml --n_clusters 50 --max_frames 60000
        --train_config conf/tuning/train_distilmos_own_whisper_tiny.yaml)
    ;;
wavlm)
    opts=(--ngpu 1 --upstream conf/upstream/wavlm_base_plus.yaml
        --train_config conf/tuning/train_distilmos_own.yaml)
    ;;
*)
    echo "run.sh: error: --preset ${preset}: auto, mini, whisper or wavlm was expected" >&2
    exit 1
    ;;
esac

export DISTILMOS_CSV=${csv} # not an option of the stages: a path may hold blanks
exec ./distilmos.sh \
    "${opts[@]}" ${model_opts[@]+"${model_opts[@]}"} \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    --set_notes data/set_notes.yaml \
    --local_data_opts="${data_opts# }" \
    ${args[@]+"${args[@]}"}
