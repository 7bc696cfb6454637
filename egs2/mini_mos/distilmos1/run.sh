#!/usr/bin/env bash
# mini_mos: real speech, degraded, labelled with PESQ. 9 minutes on 2 cores.
set -e
set -u
set -o pipefail

exec ./distilmos.sh \
    --ngpu 0 \
    --upstream conf/upstream/mini.yaml \
    --train_config conf/tuning/train_distilmos_mini.yaml \
    --max_frames 60000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test test_speaker test_system" \
    --set_notes local/set_notes.yaml \
    --shipped_rows local/shipped \
    "$@"
