"""Frames, centroids, tokens and trainings that are broken, foreign or hostile."""

import shutil

import kaldiio
import numpy as np
import pytest
from spoilt_files import Harm, cut, keys, text

pytestmark = pytest.mark.usefixtures("no_harm")


def lose_audio(path):
    """Let the first line of a wav.scp name a file that is not there."""
    first, *others = path.read_text().splitlines()
    lines = [f"{first.split()[0]} nowhere.wav", *others]
    path.write_text("".join(f"{line}\n" for line in lines))


TOKENS = {
    "another upstream": (
        "kmeans/provenance.yaml",
        keys(upstream={"upstream": "hubert_base"}),
        "the tokens were made with another upstream: upstream is 'hubert_base'",
    ),
    "a provenance of text": (
        "kmeans/provenance.yaml",
        keys(n_clusters="8"),
        "not a k-means provenance",
    ),
    "layers of text": (
        "kmeans/provenance.yaml",
        keys(layers=["1"]),
        "not a k-means provenance",
    ),
    "no centroids": (
        "kmeans/layer_02.npy",
        lambda path: path.unlink(),
        "layer_02.npy: cannot be read",
    ),
    "centroids cut off": ("kmeans/layer_02.npy", cut, "not an array that this package"),
    "pickled centroids": (
        "kmeans/layer_02.npy",
        lambda path: np.save(path, np.array([[Harm()]]), allow_pickle=True),
        "not an array that this package",
    ),
    "centroids of NaN": (
        "kmeans/layer_02.npy",
        lambda path: np.save(path, np.full((8, 16), np.nan, np.float32)),
        "finite floats were expected",
    ),
    "centroids of another size": (
        "kmeans/layer_02.npy",
        lambda path: np.save(path, np.zeros((8, 15), np.float32)),
        "15 channels, but the upstream has 16",
    ),
    "no list": ("raw/train/wav.scp", lambda path: path.unlink(), "wav.scp"),
    "audio that is gone": (
        "raw/train/wav.scp",
        lose_audio,
        "nowhere.wav: no such file",
    ),
    "no frames": ("frames/frames.yaml", lambda path: path.unlink(), "run stage 2"),
    "frames of text": (
        "frames/frames.yaml",
        text("n_frames: many"),
        "not what stage 2 writes",
    ),
    "frames that are too few": (
        "frames/frames.yaml",
        keys(n_frames=3),
        "too few for 8",
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens(corpus, tmp_path, refused, name):
    for part in ("kmeans", "frames"):
        shutil.copytree(getattr(corpus, part), tmp_path / part)
    shutil.copytree(corpus.raw / "train", tmp_path / "raw/train")
    shutil.rmtree(tmp_path / "kmeans/train")
    file, spoil, word = TOKENS[name]
    spoil(tmp_path / file)
    if file.startswith("frames"):
        command = ["cluster-layers", "--frames_dir", "frames", "--n_clusters", "8"]
        command += ["--output_dir", "kmeans"]
    else:
        command = ["tokenize-layers", "--kmeans_dir", "kmeans"]
        command += ["--data_dirs", "raw/train", "--upstream_config", corpus.upstream]
    refused(command, word)


@pytest.mark.parametrize(
    "spoil, word",
    [
        (lambda x: x[:-1], "frames, but the upstream makes"),
        (lambda x: np.where(x == x.max(), 8, x), "token 8, but they go from 0 to 7"),
        (lambda x: x - 9, ", but they go from 0 to 7"),
        (lambda x: x + 0.5, "tokens that are no whole numbers"),
        (lambda x: x * np.nan, "tokens that are no whole numbers"),
    ],
)
def test_tokens_in_stage_4(corpus, tmp_path, refused, spoil, word):
    from espnet2_distilmos.utils.arks import write_ark
    from espnet2_distilmos.utils.datadir import write_lines

    folder = tmp_path / "kmeans/train"
    shutil.copytree(corpus.kmeans, tmp_path / "kmeans")
    shutil.copytree(corpus.raw / "train", tmp_path / "raw/train")
    tokens = dict(kaldiio.load_scp(str(corpus.kmeans / "train/tokens.scp")))
    tokens["train01"] = spoil(tokens["train01"]).astype(np.float32)
    ark = folder / "tokens.ark"
    offsets = write_ark(ark, tokens.items())
    write_lines(folder / "tokens.scp", {u: f"{ark}:{n}" for u, n in offsets.items()})
    command = ["collect-stats", "--data_dir", "raw/train", "--output_dir", "stats"]
    told = [*command, "--tokens_scp", "kmeans/train/tokens.scp"]
    refused(told, "tokens of 1 of 12 clips", "train01", word)


@pytest.mark.parametrize(
    "content, words",
    [
        ("max_epoch: [", ("c.yaml: not valid YAML",)),
        ("- a\n", ("c.yaml: a YAML mapping",)),
        ("optim_conf:\n  lr: 1e-3\n", ("optim_conf lr: '1e-3' is text", "1.0e-3")),
        ("scheduler_conf:\n  warmup_steps: 1e3\n", ("scheduler_conf warmup_steps",)),
        ("loss_conf:\n  colour: 1\n", ("loss_conf {'colour': 1}",)),
        ("loss_conf:\n  token_weight: -1\n", ("loss_conf", "must not be negative")),
        ("predictor_conf:\n  colour: 1\n", ("predictor_conf", "colour")),
        ("token_provenance: none.yaml\n", ("none.yaml: cannot be read",)),
        ("upstream_config: none.yaml\n", ("none.yaml: cannot be read",)),
        ("colour: red\n", ("colour",)),
        ("max_epoch: many\n", ("max_epoch", "many")),
    ],
)
def test_configurations_of_training(corpus, tmp_path, content, words, capsys):
    from espnet2_distilmos.bin import distilmos_train
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask
    from espnet2_distilmos.utils.command import run

    (tmp_path / "c.yaml").write_text(content)
    command = ["--config", "c.yaml", "--output_dir", "out"]
    if "upstream_config" not in content:
        command += ["--upstream_config", str(corpus.upstream)]
    if "token_provenance" not in content and "loss_conf" not in content:
        command += ["--token_provenance", str(corpus.provenance)]

    def main(cmd):
        # All but the loop over epochs, which sets up the whole process.
        distilmos_train.require_yaml(cmd)
        DistilMOSTask.build_model(DistilMOSTask.get_parser().parse_args(cmd))

    try:
        code = run(main, command)
    except SystemExit as e:
        code = e.code
    err = capsys.readouterr().err
    lines = [x for x in err.splitlines() if "error: " in x[:60]]
    assert code in (1, 2) and len(lines) == 1, err
    for word in words:
        assert word in lines[0], lines[0]
    assert not (tmp_path / "out").exists()
