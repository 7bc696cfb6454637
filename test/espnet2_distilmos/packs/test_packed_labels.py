"""What a packed model says of its labels."""

import shutil
import zipfile

import pytest
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.card import model_card
from espnet2_distilmos.packs.folder import unpack
from espnet2_distilmos.utils.errors import UserError

PESQ = "PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1 to 4.64), not human ratings"


def info(model, capsys):
    capsys.readouterr()
    assert cli(["info", "--model", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {name: text.strip() for name, text in (x.split("  ", 1) for x in lines)}


def test_what_training_recorded_of_the_labels(pesq_model, tmp_path, capsys, tools):
    """Shown of the checkpoint, and of the model packed by hand without a word."""
    pack = f"pack-model --train_config {pesq_model}/config.yaml "
    pack += f"--model_file {pesq_model}/model.pth --output {tmp_path}/m.zip"
    assert cli(pack.split()) == 0
    with zipfile.ZipFile(tmp_path / "m.zip") as z:
        config = yaml.safe_load(z.read("config.yaml"))
    assert config["label_conf"] == tools.pesq_labels
    for model in (pesq_model, tmp_path / "m.zip"):
        shown = info(model, capsys)
        assert shown["training corpus"] == "mini_mos"
        assert shown["labels"] == PESQ
        assert shown["licence"] == "of the training data: CC BY-SA 3.0"
    card = model_card(unpack(tmp_path / "m.zip"), "me/m")
    assert f"predicts {PESQ}. Trained on mini_mos." in " ".join(card.split())
    assert "mean opinion score (MOS) of speech" not in " ".join(card.split())


def test_options_of_packing_override_the_record(pesq_model, tmp_path, capsys):
    pack = f"pack-model --train_config {pesq_model}/config.yaml --licence MIT "
    pack += f"--model_file {pesq_model}/model.pth --output {tmp_path}/m.zip "
    assert cli([*pack.split(), "--label_kind", "predicted", "--corpus", "mine"]) == 0
    shown = info(tmp_path / "m.zip", capsys)
    assert shown["training corpus"] == "mine"
    assert shown["labels"] == PESQ.replace("objective", "predicted by a model")
    assert shown["licence"] == "MIT; of the training data: CC BY-SA 3.0"


def test_labels_that_nobody_recorded(tiny_model, capsys, tmp_path):
    assert info(tiny_model, capsys)["labels"] == "not recorded"
    # Packed by an earlier version, which put words into meta.yaml.
    old = shutil.copytree(tiny_model, tmp_path / "old")
    files = {"files": {"model_file": "model.pth"}}
    meta = {**files, "yaml_files": {"train_config": "config.yaml"}}
    meta["facts"] = {"corpus": "bvcc", "label_kind": "human: MOS"}
    (old / "meta.yaml").write_text(yaml.safe_dump(meta))
    shown = info(old, capsys)
    assert (shown["training corpus"], shown["labels"]) == ("bvcc", "human: MOS")


@pytest.mark.parametrize("bad", ["PESQ", [{"corpus": "a", "kind": "\x1b[2J"}], [3]])
def test_a_record_that_is_none_is_refused(tiny_model, tmp_path, bad, capsys):
    folder = shutil.copytree(tiny_model, tmp_path / "bad")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "label_conf": bad}))
    assert cli(["info", "--model", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "config.yaml: " in line and line.isprintable()
    with pytest.raises(UserError, match="labels"):
        DistilMOSInference.from_pretrained(str(folder))
