#!/usr/bin/env bash
# BC19: the out-of-domain track of the VoiceMOS Challenge 2022. db.sh says where the corpus lies.
set -e
set -u
set -o pipefail

# 136 clips: the small batches and the short warm-up of a small corpus.
exec ./distilmos.sh \
    --upstream conf/upstream/wavlm_base_plus.yaml \
    --train_config conf/tuning/train_distilmos_own.yaml \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    "$@"
