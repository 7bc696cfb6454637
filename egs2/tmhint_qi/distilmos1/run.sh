#!/usr/bin/env bash
# TMHINT-QI: noisy and enhanced Mandarin. db.sh says where the corpus lies.
set -e
set -u
set -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" # the recipe, wherever it is called from

exec ./distilmos.sh \
    --upstream conf/upstream/wavlm_base_plus.yaml \
    --train_config conf/train_distilmos.yaml \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    "$@"
