#!/usr/bin/env bash
# The stages of a MOS prediction recipe. A corpus' run.sh calls this with its sets.
set -e
set -u
set -o pipefail
. utils/process_group.sh # what runs ends with this script
. utils/log.sh
SECONDS=0

# General configuration
stage=1               # Processes starts from the specified stage.
stop_stage=6          # Processes is stopped at the specified stage.
skip_data_prep=false  # Skip stages 1 to 4.
skip_train=false      # Skip stage 5.
skip_eval=false       # Skip stage 6.
skip_packing=false    # Skip stage 7.
skip_upload_hf=false  # Skip stage 8, which runs only with hf_repo.
ngpu=1                # The number of GPUs per node ("0" uses CPU, otherwise GPU).
num_nodes=1           # The number of nodes (slurm, sge or pbs: cmd_backend in cmd.sh).
host=                 # Train on these hosts through ssh, e.g. "host1:0:1,host2:0:1" (GPUs 0, 1).
cpu_nproc=1           # The number of processes that train where ngpu is 0.
nj=2                  # The number of parallel jobs, but for predictions.
inference_nj=2        # The number of parallel jobs in scoring.
gpu_inference=false   # Whether to score with GPU.
dumpdir=dump          # Directory to dump features.
expdir=exp            # Directory to save experiments.
python=python3        # Specify python to execute espnet commands.
seed=0                # Of frames, k-means, folds and the readout's start (training: train_config).

# Data
train_set=            # Name of training set, a folder of data/.
valid_set=            # Name of validation set, used for model selection.
test_sets=            # Names of test sets. Multiple items can be specified. CORPUS/SET
                      # is a set of another recipe: ../../CORPUS/distilmos1/data/SET.
train_sets=           # Joint training: sets to combine as training set, instead of
                      # train_set, e.g. "bvcc/train somos/train" (doc/training.md).
valid_sets=           # Likewise, instead of valid_set.
level_sets=auto       # Test sets scored a second time, levelled: auto (those of corpora
                      # that are not trained on), none, or names.
level_db=-26          # Level of these clips (RMS, dB re full scale).
local_data_opts=      # Options to be passed to local/data.sh.
min_wav_duration=0.1  # Minimum duration in second, for train and valid sets.
max_wav_duration=20   # Maximum duration in second, for train and valid sets.
labels=local/labels.yaml  # What the labels are (kind, name, scale, licence), for the
                      # model, tables and plots (doc/your_corpus.md).
set_notes=            # YAML with a note a set, for RESULTS.md.
reference_rows=true   # Score the reference rows too: constant, system mean, trees on
                      # spectral and log-mel statistics, linear probe (doc/comparing.md).
linear_probe=auto     # Of these the probe, a pass of the frozen upstream over all sets:
                      # true, false or auto (false with download_model).
shipped_rows=         # Folder with <row>/<set>/utt2mos of models that are not trained here.
folds=0               # Cross-validation: this number of trainings, each tested on a part of
                      # the clips; one table over all in exp/cv* (doc/your_corpus.md).
fold_by=system        # What no two folds share: system, speaker or clip.
fold_set=             # Names of the sets, folders of data/, whose clips are shared out
                      # (default: those of train_set, valid_set and test_sets).
fold_train_set=       # Names of further sets, folders of data/, whose clips train in every
                      # fold and are never dealt.

# Upstream and tokens
upstream=conf/upstream/wavlm_base_plus.yaml  # The SSL model.
max_frames=200000     # Frames a layer that k-means sees, about.
n_clusters=200        # Clusters a layer (k).
n_codebooks=1         # Codebooks a layer: each clusters what the one before leaves over.
standardize_states=false  # Whether channels have mean 0 and deviation 1 before k-means.
cluster_sets=         # Further sets, folders of data/, whose frames k-means sees besides
                      # those of train_set; no labels needed (doc/training.md).
kmeans_backend=sklearn  # sklearn or faiss (pip install faiss-cpu).
batch_seconds=        # Audio a batch in stages 2 and 3 and for the linear probe
                      # (default: clip by clip; GPU: 100).
use_tokens=auto       # true, false or auto: false where the training has token_weight 0.

# Training
train_config=conf/train_distilmos.yaml  # Config for training.
train_args=           # Arguments for training, e.g., "--max_epoch 10".
                      # Note that it will overwrite args in train_config.
scales=               # Further scales to learn and predict beside the MOS, of utt2scores,
                      # e.g. "SIG BAK" (doc/training.md).
tag=                  # Suffix to the result dir for training.
mos_exp=              # Specify the directory path for experiment.

# Scoring
inference_config=conf/inference.yaml    # Config for scoring.
inference_args=       # Arguments for scoring.
inference_model=valid.srcc.best.pth     # Model path for scoring.
inference_tag=        # Suffix to the result dir for scoring.
report=false          # Write a page to look at and listen to, report.html, beside each
                      # set's predictions (doc/scoring.md).
embed_audio=          # Put so many MB of audio into each page (default: it is linked).
calibrate=false       # Fit the scores' scale to the validation set (doc/your_corpus.md).
download_model=       # Score with this model (Hub repository, model zoo tag, zip or folder).
hf_repo=              # Upload the packed model to this Hub repository, OWNER/NAME.
licence=              # Of the model, for its card.

help_message="Usage: ./run.sh [--OPTION VALUE]...   (in a recipe; defaults are that recipe's)

Stages: 1 data preparation, 2 layer dumping, 3 k-means tokenization, 4 statistics,
5 training, 6 scoring, 7 packing, 8 upload."

given=("$@")
. utils/parse_options.sh # before path.sh, which makes the environment: --help needs none
log "$0 ${given[*]}"
run_args="./run.sh$(printf ' %q' "${given[@]}")"
. ./path.sh
. ./cmd.sh

# A command that is killed says nothing itself. (Jobs: utils/run_local.py; trainers:
# utils/training.sh. SIGTERM and the like come from whoever stops the recipe.)
tell_killed() {
    case $1 in
    137) log "Error: a command was killed by signal 9 (SIGKILL: out of memory?)" >&2 ;;
    134 | 135 | 136 | 139) log "Error: a command was killed by signal $(($1 - 128))" >&2 ;;
    esac
}
trap 'tell_killed $?' EXIT
[ $# -eq 0 ] || fail "no positional arguments are expected, found: $*"
. utils/folds.sh
[ "${folds}" -eq 0 ] || check_folds
# Sets that are combined make a set of this recipe, named after all of them.
joined() { echo "$1" | xargs | tr ' /' '+_'; }
[ -z "${train_sets}" ] || train_set=$(joined "${train_sets}")
[ -z "${valid_sets}" ] || valid_set=$(joined "${valid_sets}")
[ "${stage}" -le "${stop_stage}" ] ||
    fail "--stage ${stage}: nothing to do, since --stop_stage is ${stop_stage}; give both (stages are 1 to 8)"
for n in nj inference_nj num_nodes cpu_nproc; do
    [ "${!n}" -ge 1 ] || fail "--${n} ${!n}: at least 1 is needed"
done
if [ -n "${embed_audio}" ]; then
    "${report}" || fail "--embed_audio goes with --report true"
    [[ ${embed_audio} =~ ^[0-9]+(\.[0-9]+)?$ && ${embed_audio} =~ [1-9] ]] ||
        fail "--embed_audio ${embed_audio}: a number of MB above 0 is needed"
fi
[ -z "${fold_train_set}" ] || [ "${folds}" -gt 0 ] || fail "--fold_train_set goes with --folds"
if [ -n "${scales}" ]; then
    ${python} -m espnet2_distilmos.bin.check_scales --scales "${scales}"
fi
[ -n "${train_set}" ] || fail "--train_set is required"
[ -n "${valid_set}" ] || fail "--valid_set is required"
[ -n "${test_sets}" ] || fail "--test_sets is required"
[ -f "${upstream}" ] || fail "--upstream ${upstream}: no such file; there are: $(echo conf/upstream/*.yaml)"
[ -f "${labels}" ] || [ "${labels}" = local/labels.yaml ] || fail "--labels ${labels}: no such file"
[ -f "${train_config}" ] || fail "--train_config ${train_config}: no such file"
if [ "${num_nodes}" -gt 1 ]; then
    [ -z "${host}" ] || fail "--num_nodes and --host: give one of them; --host names the nodes"
    case ${cuda_cmd} in
    *run_local.py*) fail "--num_nodes ${num_nodes} needs a cluster; choose cmd_backend in cmd.sh, or name the nodes with --host" ;;
    *ssh.pl*) fail "--num_nodes ${num_nodes}: ESPnet's launcher does not take ssh.pl; name the nodes with --host" ;;
    esac
fi
read -r -a test_set_list <<<"${test_sets}"
own_test_sets=()
for dset in "${test_set_list[@]}"; do
    [[ ${dset} == */* ]] || own_test_sets+=("${dset}")
done
read -r -a cluster_set_list <<<"${cluster_sets}"
for dset in "${cluster_set_list[@]}"; do
    [[ ${dset} != */* ]] || fail "--cluster_sets ${dset}: a folder of data/ is expected"
    [[ " ${train_set} ${train_sets} ${valid_set} ${valid_sets} ${test_sets} " != *" ${dset} "* ]] ||
        fail "--cluster_sets ${dset}: is a training, validation or test set already"
done
read -r -a train_arg_list <<<"${train_args}"
read -r -a inference_arg_list <<<"${inference_args}"

upstream_name=$(basename "${upstream}" .yaml)
if [ "${use_tokens}" = auto ]; then
    use_tokens=$(${python} -m espnet2_distilmos.bin.uses_tokens \
        -- --config "${train_config}" "${train_arg_list[@]}")
fi
# Tokens of a joint training do not take the place of the recipe's own.
ssl_dir=${dumpdir}/ssl/${upstream_name}${train_sets:+_${train_set}}
clusters=${n_clusters}
[ "${n_codebooks}" = 1 ] || clusters+=x${n_codebooks}
! "${standardize_states}" || clusters+=_std
frames_dir=${ssl_dir}/frames
if [ "${#cluster_set_list[@]}" -gt 0 ]; then
    clusters+=_$(joined "${cluster_sets}")
    frames_dir+=_$(joined "${cluster_sets}")
fi
kmeans_dir=${ssl_dir}/kmeans_${clusters}

. utils/follow.sh
. utils/test_sets.sh
. utils/tokens.sh
. utils/training.sh
. utils/scoring.sh
mapfile -t levelled_list < <(levelled_sets)
for dset in "${levelled_list[@]}"; do
    [[ " ${test_set_list[*]} " == *" ${dset} "* ]] ||
        fail "--level_sets: ${dset} is none of the test sets (${test_sets})"
done

# Options as a part of a name.
suffix() { echo "$1" | sed -e 's/--/\_/g' -e 's/[ |=/]//g'; }

# Experiment names say what went into them, as everywhere in ESPnet.
if [ -z "${tag}" ]; then
    tag=$(basename "${train_config}" .yaml)_${upstream_name}
    ! "${use_tokens}" || tag+=_k${clusters}
    tag+=${train_sets:+_${train_set}}${scales:+_$(joined "${scales}")}$(suffix "${train_args}")
fi
[ -n "${mos_exp}" ] || mos_exp=${expdir}/mos_${tag}
stats_dir=${expdir}/stats_${train_set}_${valid_set}
if [ -n "${download_model}" ]; then
    mos_exp=${expdir}/mos_$(basename "${download_model}" .zip)
    inference_model=model.pth
    skip_train=true
fi
uncalibrated_model=${inference_model}
! "${calibrate}" || inference_model=${inference_model%.pth}.calibrated.pth
if [ -z "${inference_tag}" ]; then
    inference_tag=inference_${inference_model%.pth}$(suffix "${inference_args}")
fi

# Stop where file $1, which stage $2 makes, is not there.
need() { [ -f "$1" ] || fail "$1: no such file; run stage $2 first"; }
# Whether stage $1 is among those asked for.
wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }

# What the upstream is, as its own record has it: the comment that its YAML begins with.
if [ "${stage}" -le 5 ]; then
    log "Upstream ${upstream}: $(awk '!/^#/ { exit } { sub(/^# ?/, ""); print }' "${upstream}" | tr '\n' ' ')"
fi

if [ "${folds}" -gt 0 ]; then
    cross_validate
    log "Successfully finished. [elapsed=${SECONDS}s]"
    exit 0
fi

if ! "${skip_data_prep}"; then
    if wanted 1; then
        log "Stage 1: Data preparation for data/${train_set}, data/${valid_set}, etc."
        # shellcheck disable=SC2086  # options, split at blanks as in every recipe
        DISTILMOS_CLUSTER_SETS=${cluster_sets} local/data.sh ${local_data_opts}
        # shellcheck disable=SC2086  # names of sets
        record_own_labels ${train_sets:-${train_set}} ${valid_sets:-${valid_set}} \
            "${own_test_sets[@]}"
        [ -z "${train_sets}" ] || combine "${train_set}" "${train_sets}"
        [ -z "${valid_sets}" ] || combine "${valid_set}" "${valid_sets}"
        ${python} -m espnet2_distilmos.bin.format_audio \
            --data_dirs "data/${train_set}" "data/${valid_set}" \
            "${own_test_sets[@]/#/data/}" "${cluster_set_list[@]/#/data/}" \
            --output_dir "${dumpdir}/raw" \
            --drop_sets "${train_set}" "${valid_set}" "${cluster_set_list[@]}" \
            --min_seconds "${min_wav_duration}" --max_seconds "${max_wav_duration}"
        if [ -n "${scales}" ]; then
            ${python} -m espnet2_distilmos.bin.check_scales --scales "${scales}" \
                --data_dirs "${dumpdir}/raw/${train_set}" "${dumpdir}/raw/${valid_set}"
        fi
        format_other_sets
    fi

    if wanted 2; then dump_layers; fi
    if wanted 3; then make_tokens; fi
    if wanted 4; then collect_statistics; fi
fi

if ! "${skip_train}"; then
    if wanted 5; then
        train_model
    fi
fi

if ! "${skip_eval}"; then
    if wanted 6; then
        if [ -n "${download_model}" ]; then
            log "Use ${download_model} for scoring"
            ${python} -m espnet2_distilmos.bin.download_model \
                --model "${download_model}" --output_dir "${mos_exp}"
        fi
        need "${mos_exp}/${uncalibrated_model}" 5
        log "Stage 6: Scoring: ${mos_exp}/${inference_tag}"
        score_test_sets
    fi
fi

packed_model=${mos_exp}/$(basename "${mos_exp}")_${inference_model%.pth}.zip
if wanted 7 && ! "${skip_packing}" && [ -z "${download_model}" ]; then
    need "${mos_exp}/${inference_model}" "$("${calibrate}" && echo 6 || echo 5)"
    log "Stage 7: Packing: ${packed_model}"
    ${python} -m espnet2_distilmos.bin.pack_model \
        --train_config "${mos_exp}/config.yaml" --model_file "${mos_exp}/${inference_model}" \
        --licence "${licence}" --results "${expdir}/RESULTS.md" --output "${packed_model}" \
        --scores "${mos_exp}/${inference_tag}" --labels "${dumpdir}/raw"
fi

if wanted 8 && ! "${skip_upload_hf}" && [ -n "${hf_repo}" ]; then
    log "Stage 8: Upload: ${packed_model} -> ${hf_repo}"
    ${python} -m espnet2_distilmos.bin.upload_model \
        --model "${packed_model}" --hf_repo "${hf_repo}"
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
