# shellcheck shell=bash
# Stages 2 to 4. distilmos.sh sources this; the variables are those at its top.
# shellcheck disable=SC2154

# What stages 2 and 3 share: a job takes one GPU at most.
token_ngpu=$((ngpu > 0 ? 1 : 0))
upstream_opts=(--upstream_config "${upstream}" --ngpu "${token_ngpu}")
[ -z "${batch_seconds}" ] || upstream_opts+=(--batch_seconds "${batch_seconds}")

# Share the work of command $3 of bin/ out over nj jobs with $1 GPUs each and logs $2.JOB.log;
# then join what they made.
array() {
    local gpus=$1 logs=$2 command=$3 backend=${train_cmd} job job_logs=()
    shift 3
    for ((job = 1; job <= nj; job++)); do job_logs+=("${logs}.${job}.log"); done
    [ "${gpus}" -eq 0 ] || backend=${cuda_cmd}
    # shellcheck disable=SC2086  # a command and its options
    followed "${job_logs[@]}" -- ${backend} --gpu "${gpus}" JOB=1:"${nj}" "${logs}.JOB.log" \
        ${python} -m "espnet2_distilmos.bin.${command}" "$@" --nj "${nj}" --job JOB
    ${python} -m "espnet2_distilmos.bin.${command}" "$@" --combine
}

# Stage 2: a sample of frames of every layer.
dump_layers() {
    local dset opts=()
    need "${dumpdir}/raw/${train_set}/wav.scp" 1
    if ! "${use_tokens}"; then
        log "Stage 2: skipped, this training uses no tokens"
        return
    fi
    log "Stage 2: S3PRL layer dumping: ${dumpdir}/raw/${train_set} -> ${frames_dir}"
    [ "${#cluster_set_list[@]}" -eq 0 ] || opts+=(--more_data_dirs)
    for dset in "${cluster_set_list[@]}"; do
        need "${dumpdir}/raw/${dset}/wav.scp" 1
        opts+=("${dumpdir}/raw/${dset}")
    done
    array "${token_ngpu}" "${frames_dir}/dump" dump_layers \
        --data_dir "${dumpdir}/raw/${train_set}" "${opts[@]}" \
        --output_dir "${frames_dir}" \
        --max_frames "${max_frames}" --seed "${seed}" "${upstream_opts[@]}"
}

# Stage 3: k-means of every layer, and a token of every layer for every frame.
make_tokens() {
    need "${dumpdir}/raw/${valid_set}/wav.scp" 1
    if ! "${use_tokens}"; then
        log "Stage 3: skipped, this training uses no tokens"
        return
    fi
    need "${frames_dir}/frames.yaml" 2
    log "Stage 3: k-means tokenization: ${kmeans_dir}/{${train_set},${valid_set}}"
    array 0 "${kmeans_dir}/kmeans" cluster_layers \
        --frames_dir "${frames_dir}" --output_dir "${kmeans_dir}" \
        --n_clusters "${n_clusters}" --n_codebooks "${n_codebooks}" \
        --standardize_states "${standardize_states}" \
        --seed "${seed}" --kmeans_backend "${kmeans_backend}"
    array "${token_ngpu}" "${kmeans_dir}/tokenize" tokenize_layers \
        --data_dirs "${dumpdir}/raw/${train_set}" "${dumpdir}/raw/${valid_set}" \
        --kmeans_dir "${kmeans_dir}" "${upstream_opts[@]}"
    log "Perplexity and inertia a layer: ${kmeans_dir}/clusters.png"
}

# Stage 4: what training is to read agrees and can be used; lengths for batches.
collect_statistics() {
    local dset opts
    log "Stage 4: Statistics: ${stats_dir}"
    for dset in "${train_set}" "${valid_set}"; do
        need "${dumpdir}/raw/${dset}/utt2num_samples" 1
        opts=()
        if "${use_tokens}"; then
            need "${kmeans_dir}/${dset}/tokens.scp" 3
            opts+=(--tokens_scp "${kmeans_dir}/${dset}/tokens.scp")
        fi
        ${python} -m espnet2_distilmos.bin.collect_stats \
            --data_dir "${dumpdir}/raw/${dset}" \
            --output_dir "${stats_dir}/${dset}" "${opts[@]}"
    done
}
