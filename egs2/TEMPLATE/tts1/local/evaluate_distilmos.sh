#!/usr/bin/env bash
# MOS of decoded speech: several jobs a decode folder, then one table over all of them.
# Called from a recipe folder, like scripts/utils/evaluate_asr.sh.
set -e
set -u
set -o pipefail

log() {
    local fname=${BASH_SOURCE[1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}
fail() {
    log "Error: $*" >&2
    exit 1
}

nj=4                 # The number of parallel jobs.
gpu_inference=false  # Whether to score with GPU (cuda_cmd of cmd.sh, else decode_cmd).
model=               # Folder, zip, checkpoint, exported file, Hub repository, ESPnet model
                     # zoo tag, or authors. Default: the model that the package brings.
batchsize=           # Utterances a batch; changes no score.
outdir=              # Results (default: beside wav.scp); with one decode folder only.
table=               # Write the table to this file, too.
report=              # Write a page to look at and listen to, report.html, too.
python=              # Python with espnet2_distilmos (default: see below).
distilmos_root=      # The DistilMOS checkout; setup.sh fills it in.

help_message=$(
    cat <<EOF
Usage: $0 [options] <decode-folder | wavdir | wav.scp>...

Writes utt2pmos and pmos_avg_result.txt beside each wav.scp, then shows a table. A decode
folder is a decoded set (exp/tts_x/decode_y/dev, with wav/wav.scp in it) or anything above.

  --nj N                 jobs (default: ${nj})
  --gpu_inference BOOL   score with GPU (default: ${gpu_inference})
  --model MODEL          folder, zip, checkpoint, exported file, Hub repository, ESPnet
                         model zoo tag, or authors: the weights that the method's authors
                         released (default: the model that the package brings)
  --batchsize N          utterances a batch; changes no score
  --outdir DIR           results (default: beside wav.scp); with one folder only
  --table FILE           write the table to this file, too
  --report FILE          write a page to look at and listen to (HTML)
  --python FILE          Python with espnet2_distilmos (default: python3 of the recipe if
                         it has the package, else that of the DistilMOS checkout)
EOF
)

log "$0 $*"
. ./path.sh
. ./cmd.sh
# shellcheck disable=SC1091  # Kaldi's, of the recipe
. utils/parse_options.sh

if [ $# -eq 0 ]; then
    log "${help_message}"
    fail "decode folders are needed"
fi
if [ -z "${python}" ]; then
    python=python3
    if ! ${python} -c "import espnet2_distilmos" 2>/dev/null; then
        python=${distilmos_root}/.venv/bin/python
        [ -n "${distilmos_root}" ] && [ -x "${python}" ] ||
            fail "the recipe's python3 has no espnet2_distilmos: pip install ${distilmos_root:-\"espnet2-distilmos @ git+REPOSITORY\"}, or give --python"
    fi
fi
_opts=()
[ -z "${model}" ] || _opts+=(--model "${model}")
[ -z "${batchsize}" ] || _opts+=(--batchsize "${batchsize}")
if "${gpu_inference}"; then
    _cmd=${cuda_cmd}
    _ngpu=1
    _opts+=(--device cuda:0)
else
    _cmd=${decode_cmd}
    _ngpu=0
    _opts+=(--device cpu)
fi

# The lists of $1, one a line: itself, in it, in its wav/, or in any wav/ below.
lists() {
    if [ -f "$1" ]; then
        echo "$1"
    elif [ -f "$1/wav.scp" ]; then
        echo "$1/wav.scp"
    elif [ -f "$1/wav/wav.scp" ]; then
        echo "$1/wav/wav.scp"
    elif [ -d "$1" ]; then
        find -L "$1" -mindepth 1 \( -name log -o -name logdir \) -prune -o -path '*/wav/wav.scp' -print | sort -V
    fi
}

_inputs=()
for path in "$@"; do
    _n=${#_inputs[@]}
    while IFS= read -r _scp; do
        _inputs+=("${_scp}")
    done < <(lists "${path}")
    if [ ${#_inputs[@]} -eq "${_n}" ]; then
        [ -d "${path}" ] || fail "${path}: no such file or folder"
        _inputs+=("${path}") # a folder of wavs
    fi
done
if [ -n "${outdir}" ] && [ ${#_inputs[@]} -ne 1 ]; then
    fail "--outdir is for one decode folder, there are ${#_inputs[@]}"
fi

_failed=()
_scored=()
for input in "${_inputs[@]}"; do
    _dir=${outdir}
    if [ -z "${_dir}" ]; then
        _dir=${input}
        [ -d "${input}" ] || _dir=$(dirname "${input}")
    fi
    _logdir=${_dir}/log/distilmos
    mkdir -p "${_logdir}"
    _nj=${nj}
    if [ -f "${input}" ]; then
        _n=$(wc -l <"${input}")
        [ "${_n}" -gt 0 ] || fail "${input}: is empty"
        _nj=$((nj < _n ? nj : _n))
    fi
    log "Scoring started... log: '${_logdir}/evaluate_distilmos.*.log'"
    _whole=true
    _evaluate=("${python}" -m espnet2_distilmos.bin.evaluate_distilmos "${input}"
        --outdir "${_dir}" --nj "${_nj}" "${_opts[@]}")
    # A clip that cannot be scored makes its job fail, after all others are scored.
    # shellcheck disable=SC2086
    ${_cmd} --gpu "${_ngpu}" JOB=1:"${_nj}" "${_logdir}/evaluate_distilmos.JOB.log" \
        "${_evaluate[@]}" --job JOB || _whole=false
    if "${_evaluate[@]}" --combine; then
        _scored+=("${_dir}")
    else
        _whole=false
    fi
    "${_whole}" || _failed+=("${input}")
done

if [ ${#_scored[@]} -gt 0 ]; then
    _compare=("${python}" -m espnet2_distilmos.bin.compare_tts "${_scored[@]}")
    [ -z "${report}" ] || _compare+=(--report "${report}")
    if [ -n "${table}" ]; then
        "${_compare[@]}" --output "${table}"
        cat "${table}"
        log "Table: ${table}"
    else
        "${_compare[@]}"
    fi
fi
[ ${#_failed[@]} -eq 0 ] || fail "not whole: ${_failed[*]}"
log "Successfully finished. [elapsed=${SECONDS}s]"
