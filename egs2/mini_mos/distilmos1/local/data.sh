#!/usr/bin/env bash
# Stage 1 of mini_mos: data/{train,valid,test,test_speaker,test_system} from clean
# speech that is degraded here and labelled with PESQ (objective, not human ratings).
set -e
set -u
set -o pipefail
. utils/log.sh

speech_dir=            # clean speech, one folder a speaker; empty: Debian's prompts
data_dir=data          # data dirs are made in it
audio_dir=downloads/mini_mos  # audio, tables, provenance
n_train=1300           # clips in train
n_valid=150            # clips in valid
n_test=300             # clips in test
n_test_speaker=240     # clips in test_speaker
n_test_system=240      # clips in test_system
n_systems=60           # systems in all; a quarter of them only in test_system
n_held_out_systems=0   # systems of test_system in place of that quarter, if above 0
cluster_sets=${DISTILMOS_CLUSTER_SETS-}  # as distilmos.sh has it: those named clean or
                       # clean_SET are made here, undegraded recordings of train or SET
seed=0                 # of the systems and of all draws
nj=2                   # number of processes (changes no result)

help_message="Usage: $0 [--OPTION VALUE]...

Makes the mini_mos corpus. Without --speech_dir the Asterisk prompts of Debian are
fetched with apt-get (no root needed). Any folder of clean speech will do instead:
wav, flac, ogg or g722 at any rate, one folder a speaker; of each clip the first 6 s
are used, and clips of less than 1 s are left out."

. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*"
    exit 2
fi

opts=()
if [ -n "${speech_dir}" ]; then
    opts+=(--speech_dir "${speech_dir}")
fi
clean_sets=()
for name in ${cluster_sets}; do
    case ${name} in clean | clean_*) clean_sets+=("${name}") ;; esac
done
if [ "${#clean_sets[@]}" -gt 0 ]; then
    opts+=(--clean_sets "${clean_sets[@]}")
fi
python3 -m mini_mos.bin.prepare_mini_mos \
    --data_dir "${data_dir}" \
    --audio_dir "${audio_dir}" \
    --n_train "${n_train}" \
    --n_valid "${n_valid}" \
    --n_test "${n_test}" \
    --n_test_speaker "${n_test_speaker}" \
    --n_test_system "${n_test_system}" \
    --n_systems "${n_systems}" \
    --n_held_out_systems "${n_held_out_systems}" \
    --seed "${seed}" \
    --nj "${nj}" \
    "${opts[@]}"

log "Successfully finished."
