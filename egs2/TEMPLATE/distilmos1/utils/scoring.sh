# shellcheck shell=bash
# Stage 6. distilmos.sh sources this; the variables are those at its top.
# shellcheck disable=SC2154

# Score the predictions in folder $1 of set $2, unless scores.json is of these very files.
score() {
    local ref=${dumpdir}/raw/$2
    local opts=()
    [ ! -f "${ref}/utt2sys" ] || opts+=(--utt2sys "${ref}/utt2sys")
    ${python} -m espnet2_distilmos.bin.score_mos \
        --ref_utt2mos "${ref}/utt2mos" --hyp_utt2mos "$1/utt2mos" \
        "${opts[@]}" --output "$1/scores.json" --table "$1/scores.txt"
}

# Predict set $1 with model $2 into folder $3.
predict() {
    local dir=$3/$1
    local logdir=${dir}/logdir
    local scp=${dumpdir}/raw/$1/wav.scp
    local n n_jobs name cmd=${decode_cmd} gpus=0 job_logs=()
    if "${gpu_inference}"; then
        gpus=1
        cmd=${cuda_cmd}
    fi
    need "${scp}" 1
    mkdir -p "${logdir}"
    n_jobs=$(wc -l <"${scp}")
    n_jobs=$((inference_nj < n_jobs ? inference_nj : n_jobs))
    for ((n = 1; n <= n_jobs; n++)); do
        job_logs+=("${logdir}/inference.${n}.log")
        awk -v n="${n}" -v nj="${n_jobs}" 'NR % nj == n % nj' "${scp}" >"${logdir}/keys.${n}.scp"
    done
    # shellcheck disable=SC2086
    followed "${job_logs[@]}" -- ${cmd} --gpu "${gpus}" JOB=1:"${n_jobs}" "${logdir}/inference.JOB.log" \
        ${python} -m espnet2_distilmos.bin.distilmos_inference \
        --config "${inference_config}" --ngpu "${gpus}" \
        --data_path_and_name_and_type "${scp},speech,sound" \
        --key_file "${logdir}/keys.JOB.scp" \
        --train_config "${mos_exp}/config.yaml" \
        --model_file "${mos_exp}/$2" \
        --output_dir "${logdir}/output.JOB" "${inference_arg_list[@]}"
    for name in utt2mos frame_mos.scp; do
        for ((n = 1; n <= n_jobs; n++)); do
            cat "${logdir}/output.${n}/${name}"
        done | sort >"${logdir}/${name}"
        # An unchanged file keeps its date: nobody need look at it again.
        cmp -s "${logdir}/${name}" "${dir}/${name}" || mv "${logdir}/${name}" "${dir}/${name}"
    done
}

# Scatter plots of the sets $@; what the axes are called stands beside sets and model.
plot() {
    ${python} -m espnet2_distilmos.bin.plot_scores \
        --ref_dirs "${@/#/${dumpdir}/raw/}" --root "${dumpdir}/raw" \
        --hyp_dir "${mos_exp}/${inference_tag}" --train_config "${mos_exp}/config.yaml"
}

# Rows that are not made here, among those in folder $1: <shipped_rows>/<row>/<set>/utt2mos
# of the very clips that are scored, and <row>/NOTE.txt.
add_shipped_rows() {
    local dset row from to
    for row in "${shipped_rows}"/*/; do
        row=$(basename "${row}")
        for dset in "${test_set_list[@]}"; do
            from=${shipped_rows}/${row}/${dset} to=$1/${row}/${dset}
            [ -f "${from}/utt2mos" ] || continue
            if ! cmp -s <(cut -d ' ' -f 1 "${from}/utt2mos") <(cut -d ' ' -f 1 "${dumpdir}/raw/${dset}/utt2mos"); then
                log "${from}: not shown, made of other clips than ${dumpdir}/raw/${dset}"
                rm -rf "${to}"
                continue
            fi
            mkdir -p "${to}"
            cmp -s "${from}/utt2mos" "${to}/utt2mos" || cp "${from}/utt2mos" "${to}/utt2mos"
            cp "${shipped_rows}/${row}/NOTE.txt" "$1/${row}/NOTE.txt"
        done
    done
}

# Make the checkpoint whose scores fit the validation set, from what the model as it is
# predicts there; RESULTS.md says what was done.
calibrate_scores() {
    local dir=${mos_exp}/${inference_tag}/calibration told
    predict "${valid_set}" "${uncalibrated_model}" "${dir}"
    told=$(${python} -m espnet2_distilmos.bin.calibrate \
        --train_config "${mos_exp}/config.yaml" --model_file "${mos_exp}/${uncalibrated_model}" \
        --ref_utt2mos "${dumpdir}/raw/${valid_set}/utt2mos" \
        --hyp_utt2mos "${dir}/${valid_set}/utt2mos" --output "${mos_exp}/${inference_model}")
    echo "${told}" >"${mos_exp}/${inference_tag}/NOTE.txt"
    log "${mos_exp}/${inference_model}: ${told}"
}

# Stage 6: predictions, scores, reference rows, plots and the table.
score_test_sets() {
    local dset dir rows label_kind opts=()
    local scored=("${test_set_list[@]}" "${levelled_list[@]/%/@${level_db}dB}")
    ! "${calibrate}" || calibrate_scores
    for dset in "${scored[@]}"; do
        # A set of another corpus can be named for a model that is trained already.
        if [[ ${dset} == *[/@]* ]] && [ ! -f "${dumpdir}/raw/${dset}/wav.scp" ]; then
            format_other_sets
        fi
        predict "${dset}" "${inference_model}" "${mos_exp}/${inference_tag}"
        score "${mos_exp}/${inference_tag}/${dset}" "${dset}"
        log "Scored: ${mos_exp}/${inference_tag}/${dset}"
    done

    if "${reference_rows}"; then
        rows=${expdir}/reference_rows
        ${python} -m espnet2_distilmos.bin.reference_rows \
            --train_dir "${dumpdir}/raw/${train_set}" \
            --test_dirs "${test_set_list[@]/#/${dumpdir}/raw/}" --root "${dumpdir}/raw" \
            --output_dir "${rows}" --nj "${nj}"
        [ -z "${shipped_rows}" ] || add_shipped_rows "${rows}"
        for dset in "${test_set_list[@]}"; do
            for dir in "${rows}"/*/"${dset}"; do
                [ -f "${dir}/utt2mos" ] || continue
                score "${dir}" "${dset}"
                log "Scored: ${dir}"
            done
        done
        opts+=(--reference "${rows}" --labels "${dumpdir}/raw")
    fi
    plot "${scored[@]}"
    [ -z "${set_notes}" ] || opts+=(--set_notes "${set_notes}")
    if [ ${#own_test_sets[@]} -gt 0 ]; then
        label_kind=$(label_kind_of "${own_test_sets[0]}")
        [ -z "${label_kind}" ] || opts+=(--label_kind "${label_kind}")
    fi
    for dset in "${test_set_list[@]}"; do
        if is_out_of_domain "${dset}"; then
            opts+=(--out_of_domain "${dset}" "$(label_kind_of "${dset}")")
        fi
    done
    ${python} -m espnet2_distilmos.bin.show_results \
        --exp "${expdir}"/mos_*/ --sets "${test_set_list[@]}" "${opts[@]}" \
        --reached "${mos_exp}/${inference_tag}" --output "${expdir}/RESULTS.md"
}
