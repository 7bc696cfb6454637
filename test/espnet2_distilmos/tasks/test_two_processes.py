"""One epoch in two processes (gloo) against one: the same validation metrics."""

import subprocess
import sys

import pytest

from espnet2_distilmos.train.history import read_history

# Sums are made in another order, and Adam's first steps (gradient / |gradient|)
# magnify the difference where a gradient is nearly zero.
TOLERANCE = 2e-3
METRICS = ("loss", "mos_loss", "token_loss", "srcc", "lcc", "sys_srcc")


def options(corpus, output_dir):
    """One epoch with all that draws random numbers switched off."""
    found = [
        *["--output_dir", str(output_dir), "--ngpu", "0", "--max_epoch", "1"],
        *["--upstream_config", str(corpus.upstream)],
        *["--token_provenance", str(corpus.provenance)],
        *["--num_workers", "0", "--num_att_plot", "0", "--use_matplotlib", "false"],
        *["--batch_type", "numel", "--batch_bins", "60000"],
        *["--predictor_conf", "hidden_size=16", "--predictor_conf", "dropout=0.0"],
        *["--optim", "adam", "--optim_conf", "lr=0.001", "--seed", "1"],
        *["--best_model_criterion", "valid,srcc,max"],
    ]
    for part in ("train", "valid"):
        raw, name = corpus.raw / part, f"--{part}_data_path_and_name_and_type"
        found += [name, f"{raw}/wav.scp,speech,sound"]
        found += [name, f"{raw}/utt2mos,mos,text_float"]
        found += [name, f"{raw}/utt2sys_id,system,text_int"]
        found += [name, f"{corpus.kmeans}/{part}/tokens.scp,tokens,kaldi_ark"]
        found += [f"--{part}_shape_file", str(corpus.stats / part / "speech_shape")]
    return found


@pytest.fixture(scope="module")
def no_dropout(corpus, tmp_path_factory):
    """The corpus with an upstream that draws no random numbers in training."""
    import copy

    import torch

    from espnet2_distilmos.utils.files import write_yaml

    folder = tmp_path_factory.mktemp("no_dropout")
    checkpoint = torch.load(corpus.conf["path_or_url"], weights_only=True)
    checkpoint["cfg"].update(dropout=0.0, attention_dropout=0.0)
    torch.save(checkpoint, folder / "upstream.pt")
    changed = copy.copy(corpus)
    changed.upstream = folder / "tiny.yaml"
    path = str(folder / "upstream.pt")
    write_yaml(changed.upstream, {"upstream": "wavlm_local", "path_or_url": path})
    return changed


def test_two_processes_give_the_metrics_of_one(no_dropout, tmp_path):
    launchers = {
        "one": [],
        "two": ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"],
    }
    valid = {}
    for name, launcher in launchers.items():
        command = [sys.executable, "-m", *launcher]
        command += ["espnet2_distilmos.bin.distilmos_train"]
        command += options(no_dropout, tmp_path / name)
        if name == "two":
            command += ["--dist_backend", "gloo"]
            command += ["--multiprocessing_distributed", "false"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        valid[name] = read_history(tmp_path / name / "checkpoint.pth")[1]["valid"]
    for metric in METRICS:
        assert valid["two"][metric] == pytest.approx(
            valid["one"][metric], abs=TOLERANCE
        ), metric
