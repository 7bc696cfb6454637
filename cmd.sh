# shellcheck shell=bash
# How jobs are run: source this from a recipe folder, after path.sh.
#
#   local              on this machine, by our own runner (utils/run_local.py)
#   slurm sge pbs ssh  on a cluster, by the scripts that ESPnet and Kaldi bring along
#
# Choose here, or in the environment (cmd_backend=slurm ./run.sh). The cluster scripts
# are looked for on the PATH and in the checkouts that $MAIN_ROOT (ESPnet; path.sh sets
# it where the recipe stands in one) and $KALDI_ROOT name; their own settings go to
# conf/slurm.conf, conf/queue.conf (sge) or conf/pbs.conf of the recipe, as everywhere
# in ESPnet.
#
# train_cmd: CPU jobs.  cuda_cmd: training.  decode_cmd: scoring.
# An option that all jobs need can be added, e.g. train_cmd="... --mem 8G".

cmd_backend=${cmd_backend:-local}

# The full name of a cluster script, e.g. of slurm.pl.
_cmd_find() {
    local kaldi folder
    command -v "$1" && return
    for kaldi in "${KALDI_ROOT-}" "${MAIN_ROOT:+${MAIN_ROOT}/tools/kaldi}"; do
        for folder in utils/parallel utils; do
            if [ -n "${kaldi}" ] && [ -x "${kaldi}/egs/wsj/s5/${folder}/$1" ]; then
                echo "${kaldi}/egs/wsj/s5/${folder}/$1"
                return
            fi
        done
    done
    echo "cmd.sh: error: cmd_backend=${cmd_backend} needs $1 of ESPnet or Kaldi: put it on the PATH, or set MAIN_ROOT to an ESPnet checkout" >&2
    return 1
}

case "${cmd_backend}" in
local)
    # Relative, since these variables are split at blanks and the folder may have some.
    export train_cmd="utils/run_local.py"
    export cuda_cmd="utils/run_local.py"
    export decode_cmd="utils/run_local.py"
    ;;
slurm | sge | pbs | ssh)
    case "${cmd_backend}" in
    sge) _cmd=queue.pl ;;
    *) _cmd=${cmd_backend}.pl ;;
    esac
    _cmd=$(_cmd_find "${_cmd}") || return 1
    export train_cmd="${_cmd}"
    export cuda_cmd="${_cmd}"
    export decode_cmd="${_cmd}"
    unset -v _cmd
    ;;
*)
    echo "cmd.sh: error: unknown cmd_backend=${cmd_backend} (local, slurm, sge, pbs or ssh)" >&2
    return 1
    ;;
esac
unset -f _cmd_find
