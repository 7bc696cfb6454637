# shellcheck shell=bash
# Cross-validation (--folds). distilmos.sh sources this; the variables are those at its
# top. Every fold is the recipe itself, with folders of its own:
#
#   dump/cv5_system/raw/cv5_system   all clips of --fold_set, formatted once
#   dump/cv5_system/fold<i>          the dumpdir of fold i, with raw/{train,valid,test}
#   exp/cv5_system/fold<i>           its expdir
#   exp/cv5_system                   mos_<tag>, reference_rows and RESULTS.md over all folds
# shellcheck disable=SC2154

# Stop where the options say no folds, or do not go with them; set fold_sets, the sets
# whose clips are dealt, and what distilmos.sh asks of sets.
check_folds() {
    local option dset
    [[ ${fold_by} =~ ^(system|speaker|clip)$ ]] ||
        fail "--fold_by ${fold_by}: system, speaker or clip was expected"
    [ "${folds}" -ge 2 ] || fail "--folds ${folds}: 2 are the least (0: no cross-validation)"
    for option in train_sets valid_sets cluster_sets download_model mos_exp hf_repo; do
        [ -z "${!option}" ] || fail "--folds and --${option} do not go together"
    done
    [ -z "${scales}" ] ||
        fail "--folds and --scales do not go together: predictions of folds are joined for the MOS alone"
    [[ ${level_sets} =~ ^(auto|none)$ ]] ||
        fail "--folds and --level_sets do not go together"
    [ "${stop_stage}" -le 6 ] ||
        fail "--folds: stages 1 to 6 only; the model to pack (stage 7) is one trained without --folds"
    fold_sets=()
    for dset in ${fold_set:-${train_set} ${valid_set} ${test_sets}}; do
        if [[ ${dset} == */* ]]; then
            [ -z "${fold_set}" ] || fail "--fold_set ${dset}: a folder of data/ is expected"
            log "--folds: set ${dset} of another recipe is left out"
        elif [[ " ${fold_sets[*]} " != *" ${dset} "* ]]; then
            fold_sets+=("${dset}")
        fi
    done
    read -r -a fold_train_sets <<<"${fold_train_set}"
    for dset in "${fold_train_sets[@]}"; do
        [[ ${dset} != */* ]] || fail "--fold_train_set ${dset}: a folder of data/ is expected"
        [[ " ${fold_sets[*]} " != *" ${dset} "* ]] ||
            fail "--fold_train_set ${dset}: its clips are dealt already (--fold_set)"
    done
    [ "${#fold_sets[@]}" -gt 0 ] || fail "--folds: --fold_set, or --train_set and the like, is needed"
    # Of every fold.
    train_set=train
    valid_set=valid
    test_sets="test"
}

# All clips, formatted once, and the folds that share them out.
prepare_folds() {
    local dset always=()
    log "Stage 1: Data preparation for ${folds} folds by ${fold_by} of: ${fold_sets[*]}"
    # shellcheck disable=SC2086  # options, split at blanks as in every recipe
    local/data.sh ${local_data_opts}
    for dset in "${fold_sets[@]}" "${fold_train_sets[@]}"; do
        need_set "${dset}" .
        record_own_labels "${dset}"
    done
    ${python} -m espnet2_distilmos.bin.format_audio \
        --data_dirs "${fold_sets[@]/#/data/}" "${fold_train_sets[@]/#/data/}" \
        --output_dir "${dumpdir}/${cv}/raw"
    [ "${#fold_train_sets[@]}" -eq 0 ] ||
        always=(--train_dirs "${fold_train_sets[@]/#/${dumpdir}/${cv}/raw/}")
    ${python} -m espnet2_distilmos.bin.make_folds \
        --data_dirs "${fold_sets[@]/#/${dumpdir}/${cv}/raw/}" \
        --output_dir "${dumpdir}/${cv}" --folds "${folds}" --fold_by "${fold_by}" \
        --seed "${seed}" --min_seconds "${min_wav_duration}" --max_seconds "${max_wav_duration}" \
        "${always[@]}"
}

# Stages 2 to 6 of fold $1.
run_fold() {
    log "Fold $1 of ${folds}: ${dumpdir}/${cv}/fold$1, ${expdir}/${cv}/fold$1"
    # In the group of processes of this script: it ends with it.
    DISTILMOS_IN_GROUP=1 "$0" "${given[@]}" --folds 0 --fold_train_set "" \
        --stage "$((stage > 2 ? stage : 2))" \
        --train_set train --valid_set valid --test_sets test --level_sets none \
        --dumpdir "${dumpdir}/${cv}/fold$1" --expdir "${expdir}/${cv}/fold$1" \
        --set_notes "${dumpdir}/${cv}/fold$1/set_notes.yaml" --shipped_rows ""
}

# Stage 6 over all folds: one table of all clips.
combine_folds() {
    local name scored i tags=() rows=() opts=()
    name=$(basename "${mos_exp}")
    scored=${expdir}/${cv}/${name}/${inference_tag}
    log "Stage 6: Out of fold: ${scored}"
    for ((i = 1; i <= folds; i++)); do
        tags+=("${expdir}/${cv}/fold${i}/${name}/${inference_tag}")
        rows+=("${expdir}/${cv}/fold${i}/reference_rows")
    done
    if "${reference_rows}"; then
        opts=(--reference "${expdir}/${cv}/reference_rows")
        rows=(--rows_dirs "${rows[@]}" --rows_output_dir "${expdir}/${cv}/reference_rows")
    else
        rows=()
    fi
    ${python} -m espnet2_distilmos.bin.combine_folds --folds_dir "${dumpdir}/${cv}" \
        --tag_dirs "${tags[@]}" --output_dir "${scored}" \
        --train_config "${expdir}/${cv}/fold1/${name}/config.yaml" "${rows[@]}"
    ${python} -m espnet2_distilmos.bin.show_results \
        --exp "${expdir}/${cv}"/mos_*/ --sets "${cv}" --labels "${dumpdir}/${cv}/raw" \
        --set_notes "${dumpdir}/${cv}/set_notes.yaml" \
        "${opts[@]}" --reached "${scored}" --output "${expdir}/${cv}/RESULTS.md"
}

# All that is asked for, in the place of the stages of distilmos.sh.
cross_validate() {
    local i cv
    cv=cv${folds}_${fold_by}${fold_set:+_$(joined "${fold_set}")}
    cv+=${fold_train_set:+_with_$(joined "${fold_train_set}")}
    [ "${seed}" -eq 0 ] || cv+=_seed${seed}
    if ! "${skip_data_prep}" && wanted 1; then prepare_folds; fi
    [ "${stop_stage}" -ge 2 ] || return 0
    need "${dumpdir}/${cv}/folds.yaml" 1
    for ((i = 1; i <= folds; i++)); do run_fold "${i}"; done
    if ! "${skip_eval}" && wanted 6; then combine_folds; fi
}
