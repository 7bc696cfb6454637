"""One epoch in two processes (gloo) against one: the same validation metrics.

The two are started by ESPnet's launcher as on two hosts, with an ssh that stays here.
"""

import os
import subprocess
import sys

import pytest
from espnet2.train.distributed_utils import DistributedOption

from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

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


# Gets what ssh gets: the host, then words of a shell command.
SSH = """#!/bin/sh
echo "$1" >> "$SSH_HOSTS"
shift
exec sh -c "$*"
"""


def launched_on_two_hosts(tmp_path, command):
    """ESPnet's launcher with `--host`, which starts one process a host."""
    ssh = tmp_path / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    launch = [sys.executable, "-m", "espnet2.bin.launch", "--ngpu", "0"]
    launch += ["--host", "here,there", "--envfile", "none"]
    launch += ["--init_file_prefix", str(tmp_path / "init/file_")]
    env = {
        **os.environ,
        "PATH": f"{ssh.parent}:{os.environ['PATH']}",
        "SSH_HOSTS": str(tmp_path / "hosts"),
    }
    launch += ["--log", str(tmp_path / "train.log"), "--", *command]
    return subprocess.run(launch, capture_output=True, text=True, env=env, cwd=tmp_path)


def test_two_processes_give_the_metrics_of_one(no_dropout, tmp_path):
    valid = {}
    for name in ("one", "two"):
        command = [sys.executable, "-m", "espnet2_distilmos.bin.distilmos_train"]
        command += options(no_dropout, tmp_path / name)
        if name == "one":
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        else:
            done = launched_on_two_hosts(tmp_path, command)
            assert sorted((tmp_path / "hosts").read_text().split()) == ["here", "there"]
        assert done.returncode == 0, done.stderr[-3000:]
        valid[name] = read_history(tmp_path / name / "checkpoint.pth")[1]["valid"]
    for metric in METRICS:
        assert valid["two"][metric] == pytest.approx(
            valid["one"][metric], abs=TOLERANCE
        ), metric


def test_two_processes_train_blocks_that_layerdrop_skips(no_dropout, tmp_path):
    """As a pretrained checkpoint says it; torch alone would end the second step."""
    command = [sys.executable, "-m", "espnet2_distilmos.bin.distilmos_train"]
    command += options(no_dropout, tmp_path / "exp")
    command += ["--upstream_conf", "layerdrop=0.5", "--batch_bins", "30000"]
    done = launched_on_two_hosts(tmp_path, command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_yaml(tmp_path / "exp/config.yaml")["unused_parameters"] is True
    history = read_history(tmp_path / "exp/checkpoint.pth")
    assert history[1]["train"]["total_count"] >= 3


@pytest.mark.parametrize("world_size, batch_bins", [(2, 60000), (3, 16000), (5, 1)])
def test_every_process_has_a_part_of_every_batch(
    world_size, batch_bins, corpus, tmp_path, monkeypatch
):
    """As many batches everywhere, none empty, no clip twice or left out."""
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    args = DistilMOSTask.get_parser().parse_args(
        [*options(corpus, tmp_path), "--batch_bins", str(batch_bins)]
    )
    args.distributed = True
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: world_size)

    def batches_of(rank):
        monkeypatch.setattr("torch.distributed.get_rank", lambda: rank)
        factory = DistilMOSTask.build_iter_factory(
            args,
            distributed_option=DistributedOption(distributed=True),
            mode="train",
        )
        return factory.sampler.batches

    parts = [batches_of(rank) for rank in range(world_size)]
    for shares in zip(*parts, strict=True):
        sizes = [len(share) for share in shares]
        assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
    utts = [utt for part in parts for batch in part for utt in batch]
    assert len(utts) == len(set(utts)) == 12

    world_size = 13  # one more than there are clips
    with pytest.raises(UserError, match="speech_shape: a batch has fewer clips than"):
        batches_of(0)
