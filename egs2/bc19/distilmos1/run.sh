#!/usr/bin/env bash
# BC19: the out-of-domain track of the VoiceMOS Challenge 2022. db.sh says where the corpus lies.
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"

# 136 clips: the small batches and the short warm-up of a small corpus, whose checkpoint is
# the mean of the five best epochs.
exec ./distilmos.sh \
    --upstream conf/upstream/wavlm_base_plus.yaml \
    --train_config conf/tuning/train_distilmos_own.yaml \
    --inference_model valid.mos_loss.ave.pth \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    "$@"
