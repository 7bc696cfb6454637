#!/usr/bin/env bash
# MUSHRA ratings of neural codecs, on a scale of 0 to 100. db.sh says where the corpus lies. On the CPU.
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"

# 64 clips to train on: the short schedule of a small corpus, in whose score the
# linear probe has nine tenths, and which takes the mean of the five best epochs.
exec ./distilmos.sh \
    --ngpu 0 \
    --upstream conf/upstream/whisper_tiny_en.yaml \
    --train_config conf/tuning/train_distilmos_own_whisper_tiny.yaml \
    --inference_model valid.mos_loss.ave.pth \
    --n_clusters 50 \
    --max_frames 60000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    --set_notes local/set_notes.yaml \
    "$@"
