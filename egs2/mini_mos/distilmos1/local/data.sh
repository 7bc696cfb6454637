#!/usr/bin/env bash
# Stage 1 of mini_mos: data/{train,valid,test,test_speaker,test_system} from clean
# speech that is degraded here and labelled with PESQ (objective, not human ratings).
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

speech_dir=            # clean speech, one folder a speaker; empty: Debian's prompts
data_dir=data          # data dirs are made in it
audio_dir=downloads/mini_mos
n_train=1300           # clips in each set
n_valid=150
n_test=300
n_test_speaker=240
n_test_system=240
n_systems=60           # systems in all; a quarter of them only in test_system
cluster_sets=${DISTILMOS_CLUSTER_SETS-}  # as distilmos.sh has it: those named clean or
                       # clean_SET are made here, undegraded recordings of train or SET
seed=0
nj=2

help_message="Usage: $0 [--speech_dir DIR] [--n_train N] ...

Makes the mini_mos corpus. Without --speech_dir the Asterisk prompts of Debian are
fetched with apt-get (no root needed). Any folder of clean speech will do instead:
wav, flac, ogg or g722 at any rate, one folder a speaker; of each clip the first 6 s
are used, and clips of less than 1 s are left out.

  --speech_dir DIR      clean speech (default: Debian's packages)
  --data_dir DIR        data dirs are made in it (default: ${data_dir})
  --audio_dir DIR       audio, tables, provenance (default: ${audio_dir})
  --n_train N, --n_valid N, --n_test N, --n_test_speaker N, --n_test_system N
                        clips in each set
  --n_systems N         systems in all, a quarter of them for test_system
  --cluster_sets NAMES  also write data dirs of undegraded recordings: clean has those
                        of train, clean_SET those of SET; other names are ignored
  --seed N, --nj N      seed; number of processes (changes no result)"

. ./path.sh
. utils/parse_options.sh

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
python3 -m espnet2_distilmos.bin.prepare_mini_mos \
    --data_dir "${data_dir}" \
    --audio_dir "${audio_dir}" \
    --n_train "${n_train}" \
    --n_valid "${n_valid}" \
    --n_test "${n_test}" \
    --n_test_speaker "${n_test_speaker}" \
    --n_test_system "${n_test_system}" \
    --n_systems "${n_systems}" \
    --seed "${seed}" \
    --nj "${nj}" \
    "${opts[@]}"

log "Successfully finished."
