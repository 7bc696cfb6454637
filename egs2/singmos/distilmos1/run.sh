#!/usr/bin/env bash
# SingMOS: track 2 of the VoiceMOS Challenge 2024, singing. db.sh says where the corpus lies.
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"

exec ./distilmos.sh \
    --upstream conf/upstream/wavlm_base_plus.yaml \
    --train_config conf/train_distilmos.yaml \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    "$@"
