"""A model of several scales, wherever scores come out: the MOS first, then the rest."""

import csv
import io
import json

import numpy as np
import pytest
import torch
import yaml
from small_predictors import SCALES, SCALES_CONF

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.about import describe
from espnet2_distilmos.packs.load import load_network
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_scores
from espnet2_distilmos.utils.errors import UserError

LABELS = [
    {
        "corpus": "mine",
        "kind": "human",
        "name": "MOS",
        "scale": [-100.0, 100.0],
        "scales": {"BAK": {"detail": "background", "scale": [1.0, 2.0]}},
    }
]


@pytest.fixture(scope="module")
def model(tools, tmp_path_factory):
    """Folder of a model with the decoder, the pooling and the strides of its own."""
    folder = tools.model(tmp_path_factory.mktemp("several") / "exp", **SCALES_CONF)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["label_conf"] = LABELS
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def engine(model):
    return DistilMOSInference(None, model / "model.pth")


@pytest.fixture(scope="module")
def wavs(tools, tmp_path_factory):
    """Five clips; the last is longer than a window."""
    folder = tmp_path_factory.mktemp("wavs")
    lengths = (0.5, 1.0, 0.3, 2.0, 27.0)
    return [tools.wav(folder / f"{i}.wav", x, seed=i) for i, x in enumerate(lengths)]


def test_scores_are_the_networks(model, engine, tools):
    network = load_network(model / "config.yaml", model / "model.pth").eval()
    clip = tools.speech(1.3)
    with torch.no_grad():
        found = network(torch.from_numpy(clip)[None], torch.tensor([len(clip)]))
    result = engine(clip)
    assert engine.scales == SCALES and list(result["scores"]) == ["MOS", *SCALES]
    assert result["scores"]["MOS"] == result["mos"] == pytest.approx(float(found.mos))
    values = [result["scores"][scale] for scale in SCALES]
    assert values == pytest.approx(found.scores[0].tolist(), abs=1e-5)
    assert values[0] > 10 and values[1] < -10  # of their own scales
    # In a batch, and beside one that is cut into windows.
    others = [tools.speech(27.0, seed=3), clip, tools.speech(0.4)]
    together = engine.score_batch(others)
    for scale, value in result["scores"].items():
        assert together[1]["scores"][scale] == pytest.approx(value, abs=1e-4)


def test_windows_are_stitched_on_every_scale(engine, tools):
    """As the MOS: the mean of the frames of both windows, faded where they overlap."""
    clip = tools.speech(27.0, seed=3)
    pieces = list(engine.windows.split([clip]))
    assert len(pieces) == 2
    (first, second) = engine.score_clips([piece for _, piece in pieces])
    (whole,) = engine.score_clips([clip])
    start = pieces[1][0]
    for a, b, joined in zip(first.further, second.further, whole.further):
        shared = len(a[1]) - start
        assert len(joined[1]) == start + len(b[1])
        np.testing.assert_array_equal(joined[1][:start], a[1][:start])
        np.testing.assert_array_equal(joined[1][start + shared :], b[1][shared:])
        assert joined[0] == pytest.approx(joined[1].mean(), rel=1e-5)


def test_warnings_name_the_scale(engine, tools):
    texts = engine(tools.speech(1.0))["warnings"]
    assert "BAK score outside 1 to 2" in texts
    assert not any(text.startswith(("score", "SIG")) for text in texts)


def test_one_scale_has_no_such_key(tiny_model, tools):
    result = DistilMOSInference(None, tiny_model / "model.pth")(tools.speech(0.5))
    assert sorted(result) == ["frame_mos", "frame_shift", "mos", "warnings"]


def test_tables(model, engine, wavs, tools, tmp_path, capsys):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    given = [*map(str, wavs[:2]), str(bad)]
    expected = [r.get("scores") for r in engine.score_files(given)]
    command = ["score", *given, "--model", str(model), "--device", "cpu"]
    assert cli(command) == 1  # of the bad one
    shown = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    assert list(rows[0]) == [
        *("file", "mos", "SIG", "BAK", "seconds", "warnings", "error")
    ]
    for row, scores in zip(rows, expected[:2]):
        assert float(row["mos"]) == pytest.approx(scores["MOS"], abs=1e-6)
        assert float(row["SIG"]) == pytest.approx(scores["SIG"], abs=1e-6)
        assert float(row["BAK"]) == pytest.approx(scores["BAK"], abs=1e-6)
    assert (rows[2]["mos"], rows[2]["SIG"], rows[2]["BAK"]) == ("", "", "")
    mean = np.mean([scores["SIG"] for scores in expected[:2]])
    (line,) = [x for x in shown.err.splitlines() if x.endswith("  SIG")]
    assert line.split()[:3] == ["all", "2", f"{mean:.3f}"]
    assert cli([*command, "--format", "jsonl"]) == 1
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert objects[0]["scores"] == pytest.approx(expected[0])
    assert "scores" not in objects[2]
    assert cli([*command, "--format", "kaldi"]) == 1
    assert len(capsys.readouterr().out.split()) == 4  # two IDs, with the MOS


def test_tables_of_one_scale_have_no_more_columns(tiny_model, wavs, capsys):
    assert cli(["score", str(wavs[0]), "--model", str(tiny_model)]) == 0
    (header, _) = capsys.readouterr().out.splitlines()
    assert header == "file,mos,seconds,warnings,error"


def test_a_packed_model_and_info(model, engine, tools, tmp_path):
    pack_model(model / "config.yaml", model / "model.pth", tmp_path / "m.zip")
    clip = tools.speech(0.7)
    packed = DistilMOSInference.from_pretrained(str(tmp_path / "m.zip"))
    assert packed(clip)["scores"] == pytest.approx(engine(clip)["scores"], abs=1e-6)
    shown = describe(str(tmp_path / "m.zip"))
    assert shown["scales"] == "MOS, SIG, BAK"
    assert shown["predictor"] == "distilmos (hidden_size 16)"


@pytest.mark.parametrize("scales", ["SIG", ["a b"], [3], {"SIG": 1}, ["MOS"]])
def test_a_configuration_with_bad_scales_is_one_line(model, tmp_path, scales):
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["predictor_conf"]["scales"] = scales
    for name in ("model.pth", "original.pt"):
        (tmp_path / name).symlink_to(model / name)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError) as error:
        DistilMOSInference(None, tmp_path / "model.pth")
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def stage_6(model, wavs, tmp_path_factory, make_set, tools):
    """Predictions of a set of 24 clips in 12 systems, 20 of them labelled on SIG."""
    root = tmp_path_factory.mktemp("stage6")
    clips = {f"u{i:02d}": tools.speech(0.3, seed=i) for i in range(24)}
    data = make_set(
        root / "raw/test",
        clips,
        mos={utt: 1.0 + i % 9 / 3 for i, utt in enumerate(clips)},
        systems={utt: f"s{i % 12:02d}" for i, utt in enumerate(clips)},
    )
    with open(data / "utt2num_samples", "w") as f:
        f.writelines(f"{utt} {len(clips[utt])}\n" for utt in clips)
    held = DataDir.load(data)
    held.scores = {
        utt: {"SIG": 30.0 + i} if i < 20 else {} for i, utt in enumerate(clips)
    }
    held.save(data)
    (data / "labels.yaml").write_text(yaml.safe_dump({"labels": LABELS}))
    return root


def predict(root, model, *more):
    given = ["--train_config", f"{model}/config.yaml"]
    given += ["--model_file", f"{model}/model.pth"]
    assert cli(["inference", *given, *more, "--output_dir", f"{root}/exp/inf"]) == 0


def state(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.name != ".lock"}


def test_stage_6_scores_each_scale(stage_6, model, engine, tiny_model, monkeypatch):
    monkeypatch.chdir(stage_6)
    data = ["--data_dirs", "raw/test", "--root", "raw"]
    short = ["--shard_seconds", "2"]
    predict(stage_6, model, *data, *short)
    made = stage_6 / "exp/inf/test"
    scores = read_scores(made / "utt2scores")
    assert list(scores) == list(read_floats(made / "utt2mos")) and len(scores) == 24
    wavs = DataDir.load("raw/test").wavs
    expected = engine.score_files([wavs["u07"]])
    of_clip = next(expected)["scores"]
    assert scores["u07"] == pytest.approx({s: of_clip[s] for s in SCALES}, abs=1e-4)
    score = ["score-sets", *data, "--hyp_dir", "exp/inf"]
    score += ["--train_config", f"{model}/config.yaml"]
    assert cli(score) == 0
    place = made / "scales/SIG"
    found = json.loads((place / "scores.json").read_text())
    assert found["n_utt"] == 20 and found["n_sys"] == 12
    labels = [30.0 + i for i in range(20)]
    hyps = [scores[f"u{i:02d}"]["SIG"] for i in range(20)]
    error = np.mean((np.array(hyps) - labels) ** 2)
    assert found["utt"]["mse"]["value"] == pytest.approx(error, rel=1e-4)
    assert (place / "scatter.png").read_bytes()[:4] == b"\x89PNG"
    assert not (made / "scales/BAK").exists()  # no clip has such a label
    before = state(stage_6 / "exp")
    predict(stage_6, model, *data, *short)
    assert cli(score) == 0
    assert state(stage_6 / "exp") == before
    # RESULTS.md has a row a scale; the set itself is one set.
    results = ["results", "--exp", "exp", "--output", "RESULTS.md"]
    assert cli([*results, "--reached", "exp/inf"]) == 0
    text = (stage_6 / "RESULTS.md").read_text()
    (row,) = [x for x in text.splitlines() if x.startswith("| SIG ") and "utter" in x]
    assert " 20 " in row and text.count("\n## test") == 1
    assert "scales" not in [line.strip("# ") for line in text.splitlines()]
    # A file that is gone is made again; those of a model of one scale go.
    (made / "utt2scores").unlink()
    predict(stage_6, model, *data, *short)
    assert read_scores(made / "utt2scores") == scores
    predict(stage_6, tiny_model, *data, *short)
    assert not (made / "utt2scores").exists()
    assert cli([*score[:-1], f"{tiny_model}/config.yaml"]) == 0
    assert not (made / "scales/SIG").exists()


def test_a_list_of_clips(stage_6, model, tmp_path):
    given = ["--train_config", f"{model}/config.yaml"]
    given += ["--model_file", f"{model}/model.pth", "--output_dir", str(tmp_path)]
    scp = f"{stage_6}/raw/test/wav.scp,speech,sound"
    for _ in range(2):  # made again where a file is gone
        assert cli(["inference", *given, "--data_path_and_name_and_type", scp]) == 0
        assert len(read_scores(tmp_path / "utt2scores")) == 24
        (tmp_path / "utt2scores").unlink()


def test_a_further_score_that_is_no_number_is_an_error(engine, wavs, monkeypatch):
    score_clips = engine.score_clips

    def second_is_broken(clips):
        first, second = score_clips(clips)
        (_, frames), other = second.further
        return [first, second._replace(further=((float("nan"), frames), other))]

    monkeypatch.setattr(engine, "score_clips", second_is_broken)
    fine, broken = engine.score_files(wavs[:2])
    assert fine["scores"]["SIG"] and "no finite score" in broken["error"]
    assert broken["mos"] is None and "scores" not in broken


def test_a_stream_scores_as_the_same_clip_in_memory(engine, tools):
    clip = tools.speech(61.7)
    blocks = (clip[i : i + 160000] for i in range(0, len(clip), 160000))
    score = engine.score_stream(blocks)
    found = [value for value, _ in score.further]
    expected = engine(clip)["scores"]
    assert found == pytest.approx([expected[s] for s in SCALES], abs=1e-4)
