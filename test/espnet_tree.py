"""A made-up ESPnet checkout: the links and scripts that a recipe finds in one.

In two layouts, of which the first is what the source archive of ESPnet 202611 holds:

    202611   the job scripts and parse_options.sh are ESPnet's own files, in
             egs2/TEMPLATE/asr1/utils (and once more in its parallel/), and recipes link
             to that folder; no Kaldi, no ssh.pl; path.sh sources local/path.sh
    kaldi    older: a Kaldi checkout in tools/kaldi has the scripts; without it path.sh
             ends
"""

import os
from pathlib import Path

# As Kaldi's: every variable that is set is an option; values are evaluated.
PARSE_OPTIONS = r"""
while [[ ${1:-} == --* ]]; do
    if [ "$1" = --help ]; then printf "%s\n" "$help_message"; exit 0; fi
    name=$(echo "$1" | sed "s/^--//; s/-/_/g")
    eval '[ -z "${'$name'+xxx}" ]' && echo "$0: invalid option $1" 1>&2 && exit 1
    eval $name=\"$2\"
    shift 2
done
true
"""

# As Kaldi's run.pl: options with one value each, JOB=1:N, a log, a command for bash.
RUN_PL = r"""#!/usr/bin/env bash
echo "$(basename "$0") $*" >>"${RUN_PL_CALLS:-/dev/null}"
first=1 last=1
while [[ $1 == --* || $1 == JOB=* ]]; do
    case $1 in
    JOB=*) range=${1#JOB=} first=${range%:*} last=${range#*:}; shift ;;
    *) shift 2 ;;
    esac
done
log=$1
shift
pids=() code=0
for ((job = first; job <= last; job++)); do
    (
        mkdir -p "$(dirname "${log//JOB/${job}}")"
        command=$(printf "%q " "$@")
        bash -c "${command//JOB/${job}}" >"${log//JOB/${job}}" 2>&1
    ) &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "${pid}" || code=1; done
[ ${code} -eq 0 ] || echo "run.pl: job failed, log is in ${log}" >&2
exit ${code}
"""

LAYOUTS = ("202611", "kaldi")

PATH_SH = """
MAIN_ROOT=$PWD/../../..
export PATH=$PWD/utils/:$PATH
export LC_ALL=C
if [ -f "${MAIN_ROOT}"/tools/activate_python.sh ]; then
    . "${MAIN_ROOT}"/tools/activate_python.sh
else
    echo "[INFO] no activate_python.sh"
fi
. "${MAIN_ROOT}"/tools/extra_path.sh
export OMP_NUM_THREADS=1
. local/path.sh
"""

# As in 202611: names no file that must be there.
EXTRA_PATH_SH = """
tools=$(cd $(dirname ${BASH_SOURCE[0]}) && pwd)
[ -f $tools/kaldi/tools/config/common_path.sh ] && . $tools/kaldi/no_such_file
export PATH=$tools/sctk/bin:${PATH:-}
"""

PATH_SH_WITH_KALDI = """
MAIN_ROOT=$PWD/../../..
KALDI_ROOT=$MAIN_ROOT/tools/kaldi
[ ! -f $KALDI_ROOT/tools/config/common_path.sh ] && echo >&2 "no Kaldi" && exit 1
. $KALDI_ROOT/tools/config/common_path.sh
export PATH=$PWD/utils/:$PATH
export LC_ALL=C
. "${MAIN_ROOT}"/tools/activate_python.sh && . "${MAIN_ROOT}"/tools/extra_path.sh
export OMP_NUM_THREADS=1
"""

CMD_SH = """
cmd_backend='local'
export train_cmd="run.pl"
export cuda_cmd="run.pl --config conf/gpu.conf"
export decode_cmd="run.pl"
"""


def write(path: Path, text: str, executable: bool = False) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if executable:
        path.chmod(0o755)
    return path


def make_espnet(root: Path, layout: str = LAYOUTS[0]) -> Path:
    """Make the checkout with one TTS recipe; returns the recipe's folder."""
    template = root / "egs2/TEMPLATE"
    own = layout == "202611"
    if own:
        utils = template / "asr1/utils"
        for name in ("run.pl", "slurm.pl", "queue.pl", "pbs.pl"):
            write(utils / name, RUN_PL, executable=True)
            write(utils / "parallel" / name, RUN_PL, executable=True)
        write(template / "asr1/steps/README", "")
        write(root / "tools/extra_path.sh", EXTRA_PATH_SH)
        write(root / "espnet3/utils/task_utils.py", "")
    else:
        utils = root / "tools/kaldi/egs/wsj/s5/utils"
        for name in ("run.pl", "slurm.pl", "queue.pl", "pbs.pl", "ssh.pl"):
            write(utils / "parallel" / name, RUN_PL, executable=True)
        (utils / "run.pl").symlink_to("parallel/run.pl")
        write(root / "tools/kaldi/egs/wsj/s5/steps/README", "")
        write(root / "tools/kaldi/tools/config/common_path.sh", "")
        write(root / "tools/activate_python.sh", "")
        write(root / "tools/extra_path.sh", "")
    write(utils / "parse_options.sh", PARSE_OPTIONS)
    write(root / "espnet2/bin/tts_train.py", "")
    for name in ("slurm.conf", "queue.conf", "pbs.conf"):
        write(template / "asr1/conf" / name, f"# {name}\ncommand x\n")
    write(template / "asr1/scripts/utils/evaluate_asr.sh", "#!/bin/bash\n", True)
    write(template / "asr1/pyscripts/utils/evaluate_pseudomos.py", "#!/bin/sh\n", True)
    write(template / "tts1/tts.sh", "#!/bin/bash\n", True)
    write(template / "tts1/path.sh", PATH_SH if own else PATH_SH_WITH_KALDI)
    recipe = root / "egs2/ljspeech/tts1"
    write(recipe / "run.sh", "#!/bin/bash\n", True)
    write(recipe / "cmd.sh", CMD_SH)
    write(recipe / "conf/train.yaml", "")
    write(recipe / "local/data.sh", "#!/bin/bash\n", True)
    write(recipe / "local/path.sh", "")
    shared = "../../TEMPLATE/asr1" if own else "../../../tools/kaldi/egs/wsj/s5"
    for name, target in (
        ("path.sh", "../../TEMPLATE/tts1/path.sh"),
        ("tts.sh", "../../TEMPLATE/tts1/tts.sh"),
        ("scripts", "../../TEMPLATE/asr1/scripts"),
        ("pyscripts", "../../TEMPLATE/asr1/pyscripts"),
        ("utils", f"{shared}/utils"),
        ("steps", f"{shared}/steps"),
    ):
        (recipe / name).symlink_to(target)
    return recipe


def make_fbank_model(folder: Path) -> Path:
    """A tiny model: filter banks, random weights."""
    import torch
    import yaml

    from espnet2_distilmos.model.network import build_network

    folder.mkdir()
    upstream = {"upstream": "fbank"}
    torch.manual_seed(0)
    network = build_network(upstream, "sslmos", {})
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, folder / "model.pth")
    config = {"upstream_conf": upstream, "predictor": "sslmos", "predictor_conf": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def state(folder: Path) -> dict:
    """Every file, folder and link below, with kind, mode, time and content."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(top) / name
            stat = path.lstat()
            content = b""
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                content = path.read_bytes()
            time = 0 if path.is_dir() else stat.st_mtime_ns
            found[str(path.relative_to(folder))] = (stat.st_mode, time, content)
    return found
