"""Trainings of two epochs in the test's own process, on the fixture `corpus`."""

import logging

import torch

from espnet2_distilmos.tasks.distilmos import DistilMOSTask


def options(rated, output_dir, *more, data=("corpus", "ratings")):
    """Arguments of a training of two epochs without tokens."""
    cmd = [
        *["--upstream_config", str(rated.upstream), "--upstream_conf", "freeze=true"],
        *["--predictor_conf", "hidden_size=8", "--loss_conf", "token_weight=0"],
        *["--optim_conf", "lr=0.01", "--max_epoch", "2", "--seed", "7"],
        *["--best_model_criterion", "valid,srcc,max", "--keep_nbest_models", "1"],
        *["--batch_type", "numel", "--batch_bins", "60000", "--num_workers", "0"],
        *["--use_matplotlib", "false", "--use_tensorboard", "false"],
        *["--num_att_plot", "0", "--resume", "true", "--output_dir", str(output_dir)],
    ]
    files = {"corpus": "utt2corpus,corpus,text", "ratings": "utt2ratings,ratings,text"}
    for part in ("train", "valid"):
        cmd += [f"--{part}_shape_file", str(rated.stats / part / "speech_shape")]
        for file in (
            "wav.scp,speech,sound",
            "utt2mos,mos,text_float",
            *map(files.get, data),
        ):
            given = f"{rated.raw / part}/{file}"
            cmd += [f"--{part}_data_path_and_name_and_type", given]
    return [*cmd, *more]


def train(rated, output_dir, *more, **kwargs):
    """Train in this process; returns the folder."""
    root = logging.getLogger()
    level = root.level
    try:
        DistilMOSTask.main(cmd=options(rated, output_dir, *more, **kwargs))
    finally:
        root.setLevel(level)
    return output_dir


def load(path):
    """A checkpoint."""
    return torch.load(path, map_location="cpu", weights_only=True)
