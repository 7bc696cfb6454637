#!/usr/bin/env bash
# Put a trained model into the package, as the default of `distilmos score`: packed,
# exported with weights in 8 bits, with intervals. Call it from the recipe: local/embed.sh
set -e
set -u
set -o pipefail
. utils/log.sh

model_file=           # Checkpoint, with config.yaml beside it.
licence=Apache-2.0    # Of the model.
clips=                # Folder or wav.scp to measure the difference to float32 on.
calibration_set=      # Formatted set (wav.scp, utt2mos) that the model was not trained on:
                      # its clips are predicted with the exported file, for the intervals.
ref_utt2mos=          # Or labels, and what the models of a cross-validation predict for
hyp_utt2mos=          # them, out of fold.
utt2sys=              # Their systems: the intervals hold for clips of new ones.
calibration_data=     # What these clips are, in words.
dir=exp/embedded      # Where the files on the way go.
output=               # Default: espnet2_distilmos/embedded/mos.onnx of this clone.
most_mb=20            # Of the file, in megabytes.

help_message="Usage: $0 --model_file FILE [--OPTION VALUE]...

Writes espnet2_distilmos/embedded/mos.onnx. The options are the variables at the top of
this file. Without labels (--calibration_set, or --ref_utt2mos and --hyp_utt2mos) the model
has no intervals."

log "$0 $*"
. utils/parse_options.sh # before path.sh: --help needs no environment

[ $# -eq 0 ] || fail "no positional arguments are expected, found: $*"
[ -n "${model_file}" ] || fail "--model_file is needed"
needs_file() { [ -z "$2" ] || [ -f "$2" ] || fail "--$1 $2: no such file"; }
needs_file model_file "${model_file}"
needs_file model_file "$(dirname "${model_file}")/config.yaml"
if [ -n "${calibration_set}" ]; then
    [ -z "${ref_utt2mos}${hyp_utt2mos}" ] ||
        fail "--calibration_set has labels and is predicted: it does not go with --ref_utt2mos and --hyp_utt2mos"
    for name in wav.scp utt2mos; do
        [ -f "${calibration_set}/${name}" ] ||
            fail "--calibration_set ${calibration_set}: has no ${name}; a formatted set is needed"
    done
elif [ -n "${ref_utt2mos}${hyp_utt2mos}" ]; then
    [ -n "${ref_utt2mos}" ] || fail "--hyp_utt2mos needs the labels, too: --ref_utt2mos"
    [ -n "${hyp_utt2mos}" ] || fail "--ref_utt2mos needs what was predicted, too: --hyp_utt2mos"
else
    for name in utt2sys calibration_data; do
        [ -z "${!name}" ] ||
            fail "--${name} is about clips with labels: --calibration_set, or --ref_utt2mos and --hyp_utt2mos"
    done
fi
for name in ref_utt2mos hyp_utt2mos utt2sys; do needs_file "${name}" "${!name}"; done
[ -z "${clips}" ] || [ -e "${clips}" ] || fail "--clips ${clips}: no such file or folder"
if [ -n "${output}" ]; then
    [[ ${output} == *.onnx ]] || fail "--output ${output}: a name that ends with .onnx is needed"
    [ -d "$(dirname "${output}")" ] || fail "--output ${output}: there is no folder $(dirname "${output}")"
fi

. ./path.sh
if [ -z "${output}" ]; then
    output=$(python -c "from espnet2_distilmos.packs.embedded import FOLDER; print(FOLDER / 'mos.onnx')")
fi
module() { python -m "espnet2_distilmos.bin.$1" "${@:2}"; }

mkdir -p "${dir}"
_opts=()
[ -z "${clips}" ] || _opts+=(--clips "${clips}")
module pack_model --train_config "$(dirname "${model_file}")/config.yaml" \
    --model_file "${model_file}" --licence "${licence}" --output "${dir}/model.zip"
module export "${dir}/model.zip" --precision weights8 --output "${dir}/plain.onnx" "${_opts[@]}"

made=${dir}/plain.onnx
_opts=()
if [ -n "${calibration_set}" ]; then
    ref_utt2mos=${calibration_set}/utt2mos
    # What is promised is promised of the very file that scores.
    module distilmos_inference --model_file "${dir}/plain.onnx" \
        --data_path_and_name_and_type "${calibration_set}/wav.scp,speech,sound" \
        --output_dir "${dir}/calibration"
    hyp_utt2mos=${dir}/calibration/utt2mos
elif [ -n "${hyp_utt2mos}" ]; then
    _opts+=(--out_of_fold)
fi
if [ -n "${hyp_utt2mos}" ]; then
    [ -z "${utt2sys}" ] || _opts+=(--utt2sys "${utt2sys}")
    [ -z "${calibration_data}" ] || _opts+=(--data "${calibration_data}")
    made=${dir}/mos.onnx
    module conformal --model_file "${dir}/plain.onnx" --output "${made}" \
        --ref_utt2mos "${ref_utt2mos}" --hyp_utt2mos "${hyp_utt2mos}" "${_opts[@]}"
fi

size=$(wc -c <"${made}")
if ((size > most_mb * 1000000)); then
    fail "${made}: ${size} bytes, more than ${most_mb} MB: not put into the package"
fi
cp "${made}" "${output}.part"
mv "${output}.part" "${output}"
log "Successfully finished: ${output}, ${size} bytes. [elapsed=${SECONDS}s]"
