# shellcheck shell=bash
# How jobs are run: source this from a recipe folder, after path.sh.
#
#   local              on this machine, by our own runner (utils/run_local.py)
#   slurm sge pbs ssh  on a cluster, by the scripts that ESPnet and Kaldi bring along
#
# Choose here, or in the environment (cmd_backend=slurm ./run.sh). The cluster scripts
# are looked for on the PATH, in the checkout of Kaldi that $KALDI_ROOT names and in that
# of ESPnet that $MAIN_ROOT names (path.sh sets it where the recipe stands in one): among
# its own (egs2/TEMPLATE/asr1/utils: slurm.pl, queue.pl, pbs.pl), then in its Kaldi
# (tools/kaldi, which older ones need). ssh.pl is Kaldi's alone.
#
# What your cluster calls its partitions and resources goes to conf/slurm.conf,
# conf/queue.conf (sge) or conf/pbs.conf of the recipe, as everywhere in ESPnet, whose
# egs2/TEMPLATE/asr1/conf has them to begin with: into_espnet.sh copies them, and without
# such a file those of $MAIN_ROOT are used as they are. A job gets PATH alone of your
# environment and sources path.sh: if you have set DISTILMOS_PYTHON, add it there, e.g.
# `command sbatch --export=PATH,DISTILMOS_PYTHON`.
#
# train_cmd: CPU jobs.  cuda_cmd: training.  decode_cmd: scoring.
# An option that all jobs need can be added, e.g. train_cmd="... --mem 8G".

cmd_backend=${cmd_backend:-local}

# The full name of a cluster script, e.g. of slurm.pl.
_cmd_find() {
    local found folder folders=() looked='not on the PATH' kaldi=egs/wsj/s5/utils
    if [ -n "${KALDI_ROOT-}" ]; then
        folders+=("${KALDI_ROOT}/${kaldi}/parallel" "${KALDI_ROOT}/${kaldi}")
        looked+=", not in Kaldi (KALDI_ROOT=${KALDI_ROOT})"
    fi
    if [ -n "${MAIN_ROOT-}" ]; then
        folders+=("${MAIN_ROOT}/egs2/TEMPLATE/asr1/utils")
        folders+=("${MAIN_ROOT}/tools/kaldi/${kaldi}/parallel" "${MAIN_ROOT}/tools/kaldi/${kaldi}")
        looked+=", not in ESPnet or its tools/kaldi (MAIN_ROOT=${MAIN_ROOT})"
    fi
    if ! found=$(type -P "$1"); then
        for folder in ${folders[@]+"${folders[@]}"}; do
            if [ -f "${folder}/$1" ] && [ -x "${folder}/$1" ]; then
                found=${folder}/$1
                break
            fi
        done
    fi
    case ${found} in
    *[[:space:]]*)
        _cmd_fail "${found}: the cluster scripts cannot work in a folder with a blank in its name"
        ;;
    '')
        case $1 in
        ssh.pl) looked+="; only Kaldi has it: set KALDI_ROOT to a checkout of Kaldi" ;;
        *) looked+="; set MAIN_ROOT to a checkout of ESPnet, or KALDI_ROOT to one of Kaldi" ;;
        esac
        _cmd_fail "needs $1: ${looked}"
        ;;
    *) echo "${found}" ;;
    esac
}
_cmd_fail() {
    echo "cmd.sh: error: cmd_backend=${cmd_backend}: $*" >&2
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
    _conf=$(basename "${_cmd}" .pl).conf
    # The scripts' own defaults name a partition `shared` and take no --num_nodes.
    if [ ! -f "conf/${_conf}" ] && [ -f "${MAIN_ROOT-}/egs2/TEMPLATE/asr1/conf/${_conf}" ]; then
        _cmd+=" --config ${MAIN_ROOT}/egs2/TEMPLATE/asr1/conf/${_conf}"
    fi
    export train_cmd="${_cmd}"
    export cuda_cmd="${_cmd}"
    export decode_cmd="${_cmd}"
    unset -v _cmd _conf
    ;;
*)
    echo "cmd.sh: error: unknown cmd_backend=${cmd_backend} (local, slurm, sge, pbs or ssh)" >&2
    return 1
    ;;
esac
unset -f _cmd_find _cmd_fail
