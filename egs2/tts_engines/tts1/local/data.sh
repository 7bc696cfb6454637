#!/usr/bin/env bash
# Stage 1: TTS engines of Debian say the sentences of local/text; human prompts.
set -e
set -u
set -o pipefail

. ./path.sh
python3 -m mini_mos.bin.prepare_tts_engines \
    --text local/text --output_dir exp --download_dir downloads
