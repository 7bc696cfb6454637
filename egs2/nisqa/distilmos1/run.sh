#!/usr/bin/env bash
# The NISQA corpus: transmitted speech. db.sh says where the corpus lies.
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
    --test_sets "test_for test_p501 test_livetalk" \
    --set_notes local/set_notes.yaml \
    "$@"
