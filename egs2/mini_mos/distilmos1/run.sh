#!/usr/bin/env bash
# mini_mos: real speech, degraded, labelled with PESQ. 10 minutes on 2 cores.
set -e
set -u
set -o pipefail
# The recipe, wherever this is called from; of a copy, as Slurm makes, the current folder.
[ ! -e "${BASH_SOURCE[0]%/*}/path.sh" ] || cd "${BASH_SOURCE[0]%/*}"

preset=
case " $* " in
# The upstream of this project's own, of 1.4 M parameters, has a preset of its own.
*" --upstream conf/upstream/mini"*)
    preset=conf/tuning/train_distilmos_mini.yaml
    ;;
esac

exec ./distilmos.sh \
    --ngpu 0 \
    --upstream conf/upstream/whisper_tiny_en.yaml \
    --train_config conf/tuning/train_distilmos_whisper_tiny.yaml \
    --max_frames 60000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test test_speaker test_system" \
    --set_notes local/set_notes.yaml \
    ${preset:+--train_config "${preset}"} \
    "$@"
