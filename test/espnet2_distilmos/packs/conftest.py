"""A packed model, and a cache of each test's own."""

import shutil

import pytest

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def packed(tmp_path, tools):
    """A packed model whose original is gone; (zip, the scores it must give)."""
    exp = tools.model(tmp_path / "exp")
    (tmp_path / "RESULTS.md").write_text("# RESULTS\n")
    clip = tools.speech(1.0)
    expected = DistilMOSInference(exp / "config.yaml", exp / "model.pth")(clip)
    code = cli(
        f"pack-model --train_config {exp}/config.yaml --model_file {exp}/model.pth "
        f"--output {tmp_path}/out/m.zip --results {tmp_path}/RESULTS.md --corpus bvcc "
        "--licence CC-BY-4.0".split()
        + ["--label_kind", "human", "--label_name", "MOS"]
    )
    assert code == 0
    shutil.rmtree(exp)  # with the upstream before training
    return tmp_path / "out" / "m.zip", clip, expected
