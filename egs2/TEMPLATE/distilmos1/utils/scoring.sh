# shellcheck shell=bash
# Stage 6. distilmos.sh sources this; the variables are those at its top.
# shellcheck disable=SC2154

# Predict the sets $3... with model $1 into folder $2.
predict() {
    local model=$1 dir=$2 dset gpus=0 data_dirs=()
    # What array() takes its jobs and its backend from.
    # shellcheck disable=SC2034
    local nj=${inference_nj} train_cmd=${decode_cmd}
    shift 2
    ! "${gpu_inference}" || gpus=1
    for dset in "$@"; do
        need "${dumpdir}/raw/${dset}/utt2num_samples" 1
        data_dirs+=("${dumpdir}/raw/${dset}")
    done
    array "${gpus}" "${dir}/logdir/inference" distilmos_inference \
        --config "${inference_config}" --ngpu "${gpus}" \
        --data_dirs "${data_dirs[@]}" --root "${dumpdir}/raw" \
        --train_config "${mos_exp}/config.yaml" --model_file "${mos_exp}/${model}" \
        --output_dir "${dir}" "${inference_arg_list[@]}"
}

# Make the checkpoint whose scores fit the validation set, from what the model as it is
# predicts there; RESULTS.md says what was done.
calibrate_scores() {
    local dir=${mos_exp}/${inference_tag}/calibration told
    predict "${uncalibrated_model}" "${dir}" "${valid_set}"
    told=$(${python} -m espnet2_distilmos.bin.calibrate \
        --train_config "${mos_exp}/config.yaml" --model_file "${mos_exp}/${uncalibrated_model}" \
        --ref_utt2mos "${dumpdir}/raw/${valid_set}/utt2mos" \
        --hyp_utt2mos "${dir}/${valid_set}/utt2mos" --output "${mos_exp}/${inference_model}")
    echo "${told}" >"${mos_exp}/${inference_tag}/NOTE.txt"
    log "${mos_exp}/${inference_model}: ${told}"
}

# Set row_opts, the options of score_sets for the rows to compare with.
set_row_options() {
    local rows=$1 probe=${linear_probe}
    row_opts=(--rows_dir "${rows}" --train_dir "${dumpdir}/raw/${train_set}" --nj "${nj}")
    [ -z "${shipped_rows}" ] || row_opts+=(--shipped_rows "${shipped_rows}")
    if [ "${probe}" = auto ]; then # what a downloaded model's upstream was, --upstream need not say
        probe=true
        [ -z "${download_model}" ] || probe=false
    fi
    if "${probe}"; then
        row_opts+=(--upstream_config "${upstream}" --ngpu "$("${gpu_inference}" && echo 1 || echo 0)")
        [ -z "${batch_seconds}" ] || row_opts+=(--batch_seconds "${batch_seconds}")
    fi
}

# Stage 6: predictions, scores, reference rows, plots and the table.
score_test_sets() {
    local dset row_opts=() opts=()
    local scored=("${test_set_list[@]}" "${levelled_list[@]/%/@${level_db}dB}")
    ! "${calibrate}" || calibrate_scores
    for dset in "${scored[@]}"; do
        # A set of another corpus can be named for a model that is trained already.
        if [[ ${dset} == *[/@]* ]] && [ ! -f "${dumpdir}/raw/${dset}/wav.scp" ]; then
            format_other_sets
        fi
    done
    predict "${inference_model}" "${mos_exp}/${inference_tag}" "${scored[@]}"
    if "${reference_rows}"; then
        set_row_options "${expdir}/reference_rows"
        opts+=(--reference "${expdir}/reference_rows")
    fi
    ! "${report}" || row_opts+=(--report)
    [ -z "${embed_audio}" ] || row_opts+=(--embed_audio "${embed_audio}")
    ${python} -m espnet2_distilmos.bin.score_sets \
        --data_dirs "${scored[@]/#/${dumpdir}/raw/}" --root "${dumpdir}/raw" \
        --hyp_dir "${mos_exp}/${inference_tag}" --train_config "${mos_exp}/config.yaml" \
        --model_file "${mos_exp}/${inference_model}" "${row_opts[@]}"
    [ -z "${set_notes}" ] || opts+=(--set_notes "${set_notes}")
    for dset in "${test_set_list[@]}"; do
        ! is_out_of_domain "${dset}" || opts+=(--out_of_domain "${dset}")
    done
    ${python} -m espnet2_distilmos.bin.show_results \
        --exp "${expdir}"/mos_*/ --sets "${test_set_list[@]}" --labels "${dumpdir}/raw" \
        "${opts[@]}" --reached "${mos_exp}/${inference_tag}" --output "${expdir}/RESULTS.md"
}
