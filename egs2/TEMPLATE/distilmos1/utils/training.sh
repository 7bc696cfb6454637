# shellcheck shell=bash
# Stage 5. distilmos.sh sources this; the variables are those at its top.
# shellcheck disable=SC2154

# Set training_opts, the options of distilmos_train.
set_training_options() {
    local dset part data raw more
    training_opts=(--config "${train_config}" --upstream_config "${upstream}")
    for part in train valid; do
        dset=${train_set}
        [ "${part}" = train ] || dset=${valid_set}
        data=--${part}_data_path_and_name_and_type
        raw=${dumpdir}/raw/${dset}
        training_opts+=("${data}" "${raw}/wav.scp,speech,sound")
        training_opts+=("${data}" "${raw}/utt2mos,mos,text_float")
        for more in utt2sys_id,system,text_int utt2corpus,corpus,text utt2ratings,ratings,text; do
            [ ! -f "${raw}/${more%%,*}" ] || training_opts+=("${data}" "${raw}/${more}")
        done
        if [ -n "${scales}" ] && [ -f "${raw}/utt2scores" ]; then
            training_opts+=("${data}" "${raw}/utt2scores,scores,text")
        fi
        if "${use_tokens}"; then
            training_opts+=("${data}" "${kmeans_dir}/${dset}/tokens.scp,tokens,kaldi_ark")
        fi
        training_opts+=("--${part}_shape_file" "${stats_dir}/${dset}/speech_shape")
    done
    if "${use_tokens}"; then
        training_opts+=(--token_provenance "${kmeans_dir}/provenance.yaml")
    fi
    [ -z "${scales}" ] || training_opts+=(--predictor_conf "scales=[$(echo "${scales}" | xargs | tr ' ' ',')]")
    raw=${dumpdir}/raw/${train_set}
    [ ! -f "${raw}/labels.yaml" ] || training_opts+=(--label_conf "${raw}/labels.yaml")
    training_opts+=(--output_dir "${mos_exp}" --resume true "${train_arg_list[@]}")
}

# Fit the linear probe that the model's readout is, if it has one, and add it to
# training_opts.
start_from_probe() {
    local starts others opts=() backend=${train_cmd} probe=${mos_exp}/probe
    starts=$(${python} -m espnet2_distilmos.bin.starts_from_probe -- "${training_opts[@]}")
    # Then, a line each, the weights that it is started from besides.
    mapfile -t others <<<"${starts}"
    [ "${others[0]}" = true ] || return 0
    log "Stage 5: linear probe of ${upstream_name}, the readout of the model: ${probe}"
    [ "${token_ngpu}" -eq 0 ] || backend=${cuda_cmd}
    [ -z "${batch_seconds}" ] || opts+=(--batch_seconds "${batch_seconds}")
    mkdir -p "${probe}"
    # The features are those that the probe's row of stage 6 needs of this set.
    # shellcheck disable=SC2086  # a command and its options
    followed "${probe}/fit.log" -- ${backend} --gpu "${token_ngpu}" "${probe}/fit.log" \
        ${python} -m espnet2_distilmos.bin.fit_probe \
        --data_dir "${dumpdir}/raw/${train_set}" --output "${probe}/probe.pth" \
        --features_dir "${expdir}/reference_rows/layer_statistics/${upstream_name}" \
        --nj "${nj}" --ngpu "${token_ngpu}" --seed "${seed}" "${opts[@]}" \
        -- "${training_opts[@]}"
    training_opts+=(--init_param "${others[@]:1}" "${probe}/probe.pth")
}

# Renew what config.yaml of a finished training says of its labels: no reason to train.
record_model_labels() {
    local file=${dumpdir}/raw/${train_set}/labels.yaml
    [ ! -f "${file}" ] || ${python} -m espnet2_distilmos.bin.show_labels "${file}" \
        --train_config "${mos_exp}/config.yaml" >/dev/null
}

# Train through ESPnet's launcher, in one process or many.
launch_training() {
    local trainer=("${python}") spawn=true nodes=(--num_nodes "${num_nodes}") word code=0
    local opts=("${training_opts[@]}")
    if [ "${ngpu}" -eq 0 ] && [ "${cpu_nproc}" -gt 1 ]; then
        # ESPnet itself spawns processes for GPUs only.
        trainer+=(-m torch.distributed.run --standalone --nproc_per_node "${cpu_nproc}")
        opts+=(--dist_backend gloo)
        spawn=false
    fi
    if [ -n "${host}" ]; then
        nodes=(--host "${host}")
        for word in "${PWD}" "${trainer[@]}" "${opts[@]}"; do
            [[ ${word} != *[[:space:]]* ]] || fail "--host: ESPnet's launcher passes no blanks on: ${word}"
        done
    fi
    log "Training started... log: '${mos_exp}/train.log'"
    # shellcheck disable=SC2086  # a command and its options
    followed "${mos_exp}/train.log" -- ${python} -m espnet2.bin.launch \
        --cmd "${cuda_cmd}" --log "${mos_exp}/train.log" \
        --ngpu "${ngpu}" "${nodes[@]}" \
        --init_file_prefix "${mos_exp}/.dist_init_" \
        --multiprocessing_distributed "${spawn}" -- \
        "${trainer[@]}" -m espnet2_distilmos.bin.distilmos_train "${opts[@]}" \
        2>"${mos_exp}/launch.log" || code=$?
    [ "${code}" -eq 0 ] ||
        fail "training failed: $(why_failed "${code}" "${mos_exp}/train.log") (log: ${mos_exp}/train.log)"
}

# Print why the job with log $2 failed, whose launcher ended with code $1.
why_failed() {
    ${python} -m espnet2_distilmos.bin.why_failed --code "$1" --log "$2"
}

# Train, unless this very training is whole; then draw its curves. Weights of another
# training are refused, here and by the trainer itself (training.yaml beside them).
train_model() {
    local dset whole training_opts
    for dset in "${train_set}" "${valid_set}"; do
        ! "${use_tokens}" || need "${kmeans_dir}/${dset}/tokens.scp" 3
        need "${stats_dir}/${dset}/speech_shape" 4
    done
    set_training_options
    start_from_probe
    whole=$(${python} -m espnet2_distilmos.bin.training_stamp \
        --ngpu "${ngpu}" --num_nodes "${num_nodes}" --host "${host}" --cpu_nproc "${cpu_nproc}" \
        --output_dir "${mos_exp}" -- "${training_opts[@]}")
    if [ -n "${whole}" ] && [ -f "${mos_exp}/${inference_model}" ]; then
        log "Stage 5: ${mos_exp}: ${whole}"
        record_model_labels
    else
        log "Stage 5: MOS training: ${train_config} -> ${mos_exp}"
        mkdir -p "${mos_exp}"
        log "Generate '${mos_exp}/run.sh'. You can resume the process from stage 5 using this script"
        echo "${run_args} --stage 5 \"\$@\"; exit \$?" >"${mos_exp}/run.sh"
        chmod +x "${mos_exp}/run.sh"
        launch_training
    fi
    ${python} -m espnet2_distilmos.bin.plot_training --exp "${mos_exp}"
    log "Training curves and layer weights: ${mos_exp}/plots"
}
