"""The console command `distilmos`: one name for the commands of `bin/`."""

import importlib
import sys
from typing import Dict, List, Optional, Sequence

from espnet2_distilmos.utils.extras import PACKAGES, extras_for, lacking
from espnet2_distilmos.utils.install import install_line

# Heading -> name -> module of bin/, and what it does. The first ones are what a user
# of the scorer, or somebody who trains a model of their own, types by hand. Modules are
# imported only when called: `distilmos --help` must answer at once.
GROUPS: Dict[str, Dict[str, Sequence[str]]] = {
    "every day": {
        "score": ("score", "score wavs: files, folders or a wav.scp"),
        "info": ("info", "what a model is: upstream, layers, training, licence"),
        "benchmark": ("benchmark", "compare models on several sets, with paired tests"),
        "compare-seeds": ("compare_seeds", "compare recipes of several seeds each"),
        "score-mos": ("score_mos", "predictions against labels: MSE, LCC, SRCC..."),
        "evaluate": ("evaluate_distilmos", "utt2pmos of decoded speech, as in ESPnet"),
        "select-tts": ("select_tts_checkpoint", "the best of several TTS checkpoints"),
        "prepare-csv": ("prepare_csv", "data dirs from a CSV of your own"),
        "train": ("distilmos_train", "train a predictor"),
    },
    "TTS": {
        "compare-tts": ("compare_tts", "a table over decode folders that are scored"),
        "versa": ("versa_scorer", "VERSA's scorer, with the metric distilmos"),
    },
    "models": {
        "calibrate": ("calibrate", "fit a model's scale to a validation set"),
        "conformal": ("conformal", "intervals for a model's scores, from labels"),
        "coverage": ("coverage", "how many labels a model's intervals hold"),
        "pack-model": ("pack_model", "stage 7: a zip that loads anywhere"),
        "export": ("export", "one ONNX file, scored with without torch"),
        "upload-model": ("upload_model", "stage 8: to the Hugging Face Hub"),
        "download-model": ("download_model", "link a packed model into an experiment"),
        "import-official": ("import_official", "the authors' weights as a model"),
    },
    "corpora": {
        "prepare-corpus": ("prepare_corpus", "stage 1 of BVCC, SOMOS, NISQA..."),
        "combine-sets": ("combine_sets", "stage 1: sets of several corpora as one"),
        "make-folds": ("make_folds", "stage 1: the folds of a cross-validation"),
        "show-labels": ("show_labels", "what the labels of a set are, in a line"),
    },
    "stages of the recipe, which run.sh calls": {
        "check-scales": ("check_scales", "stage 1: names and labels of further scales"),
        "format-audio": ("format_audio", "stage 1: 16 kHz mono audio"),
        "dump-layers": ("dump_layers", "stage 2: frames of every layer"),
        "cluster-layers": ("cluster_layers", "stage 3: k-means of every layer"),
        "tokenize-layers": ("tokenize_layers", "stage 3: tokens of every frame"),
        "collect-stats": ("collect_stats", "stage 4: checks and shapes"),
        "uses-tokens": ("uses_tokens", "stages 2 to 5: whether a training has them"),
        "starts-from-probe": ("starts_from_probe", "stage 5: whether a training does"),
        "fit-probe": ("fit_probe", "stage 5: the linear probe as a training's start"),
        "training-stamp": ("training_stamp", "stage 5: whole, or weights of another?"),
        "plot-training": ("plot_training", "stage 5: curves and layer weights"),
        "inference": ("distilmos_inference", "stage 6: predictions of sets"),
        "score-sets": ("score_sets", "stage 6: figures, plots, rows to compare with"),
        "combine-folds": ("combine_folds", "stage 6: all folds' predictions as one"),
        "results": ("show_results", "stage 6: RESULTS.md of several experiments"),
        "profile-training": ("profile_training", "where the time of a training went"),
        "why-failed": ("why_failed", "the reason in a job's log, in one line"),
    },
}
COMMANDS: Dict[str, Sequence[str]] = {
    name: command for group in GROUPS.values() for name, command in group.items()
}


# As scripts call them that were written for an earlier version.
EARLIER: Dict[str, Sequence[str]] = {
    f"prepare-{corpus}": ("prepare-corpus", "--corpus", corpus.replace("-", "_"))
    for corpus in ("bvcc", "bc19", "somos", "nisqa", "tmhint-qi", "singmos")
}

# What a command needs besides the packages of the scorer without torch
# (utils/extras.py, and VERSA).
_TORCH = ["torch", "s3prl"]
_TREES = ["sklearn", "threadpoolctl"]
NEEDS: Dict[str, Sequence[str]] = {
    "benchmark": ["scipy"],
    "score-mos": ["scipy"],
    "compare-seeds": ["scipy"],
    "prepare-csv": ["scipy"],
    "results": ["scipy"],
    "versa": ["versa"],
    "export": [*_TORCH, "onnx"],
    "calibrate": _TORCH,
    "pack-model": _TORCH,
    "upload-model": _TORCH,
    "download-model": _TORCH,
    "import-official": _TORCH,
    "dump-layers": _TORCH,
    "plot-training": _TORCH,
    "profile-training": _TORCH,
    "train": ["espnet2", "typeguard", "kaldiio", "tensorboard"],
    "uses-tokens": ["espnet2"],
    "starts-from-probe": ["espnet2"],
    "fit-probe": ["espnet2", *_TREES],
    "training-stamp": ["espnet2", "typeguard", "kaldiio"],
    "inference": ["kaldiio"],
    "cluster-layers": _TREES,
    "tokenize-layers": ["kaldiio"],
    "score-sets": _TREES,
}


def usage() -> str:
    """Return the help text: what this install can do by group, then what it cannot."""
    missing = {name: lacking(NEEDS.get(name, ())) for name in COMMANDS}
    lines = ["usage: distilmos COMMAND [options]   (distilmos COMMAND --help)"]
    for title, group in GROUPS.items():
        names = [name for name in group if not missing[name]]
        lines += ["", f"{title}:", *_listed(names)] if names else []
    if not any(missing.values()):
        return "\n".join(lines)
    lines += ["", "not in this install, for want of packages:", ""]
    absent: Dict[str, List[str]] = {}
    for name in COMMANDS:
        if missing[name]:
            absent.setdefault(_brings(missing[name]), []).append(name)
    for what, names in sorted(absent.items()):
        lines += [f"{what}:", *_listed(names)]
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> List[str]:
    width = max(map(len, COMMANDS))
    return [f"  {name:{width}}  {COMMANDS[name][1]}" for name in names]


def _brings(modules: Sequence[str]) -> str:
    """Return what to install, to have all of these modules."""
    ours = [module for module in modules if module in PACKAGES]
    parts = [install_line(",".join(extras_for(ours)))] if ours else []
    if len(ours) < len(modules):
        parts.append("VERSA (https://github.com/wavlab-speech/versa)")
    return " and ".join(parts)


def cli(cmd: Optional[Sequence[str]] = None) -> int:
    """Run `distilmos COMMAND ...` and return its exit code."""
    arguments = list(sys.argv[1:] if cmd is None else cmd)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    name, *rest = arguments
    name, rest = EARLIER.get(name, (name,))[0], [*EARLIER.get(name, ())[1:], *rest]
    if name == "--version":
        from espnet2_distilmos import __version__

        print(__version__)
        return 0
    if name not in COMMANDS:
        print(
            f"error: no command {name!r}; distilmos --help lists them", file=sys.stderr
        )
        return 2
    from espnet2_distilmos.utils.command import run

    sys.argv[0] = f"distilmos {name}"  # for the command's own usage line
    module = f"espnet2_distilmos.bin.{COMMANDS[name][0]}"
    # Imported inside, since a package may be missing.
    return run(
        lambda options: importlib.import_module(module).main(options),
        rest,
        NEEDS.get(name, ()),
    )


if __name__ == "__main__":
    sys.exit(cli())
