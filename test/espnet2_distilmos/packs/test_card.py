"""The model card: metadata that the Hub's own client reads, and nothing invented."""

import json
import zipfile

import pytest
import yaml
from huggingface_hub import ModelCard

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.packs.card import model_card
from espnet2_distilmos.packs.folder import unpack
from espnet2_distilmos.scoring.score import score
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture
def scored(tmp_path):
    """Scores of four sets as stage 6 leaves them, and the labels of three."""
    ref = {f"u{i:02d}": 1 + (i * 7 % 20) / 5 for i in range(20)}
    hyp = {utt: mos + 0.1 * (i % 3) for i, (utt, mos) in enumerate(ref.items())}
    systems = {utt: f"s{i % 10}" for i, utt in enumerate(ref)}
    found = {
        "test": score(ref, hyp, systems, n_bootstrap=50),
        "test@-26dB": score(ref, hyp, systems, n_bootstrap=50),
        "somos/test": score(ref, hyp, n_bootstrap=0),
        "unknown": score(ref, hyp, n_bootstrap=0),
    }
    corpora = {"test": "bvcc", "test@-26dB": "bvcc", "somos/test": "somos"}
    for name, scores in found.items():
        folder = tmp_path / "scored" / name
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps(scores))
        (tmp_path / "raw" / name).mkdir(parents=True)
        if name in corpora:
            info = LabelInfo(corpora[name], "human", "MOS")
            Labels((info,)).write(tmp_path / "raw" / name / "labels.yaml")
    (tmp_path / "scored/calibration").mkdir()  # no scores in it
    return found


def pack(tmp_path, model, *options):
    command = f"pack-model --train_config {model}/config.yaml "
    command += f"--model_file {model}/model.pth --output {tmp_path}/m.zip"
    assert cli([*command.split(), *options]) == 0
    return model_card(unpack(tmp_path / "m.zip"), "me/my-mos")


def front_of(card):
    assert card.startswith("---\n")
    return yaml.safe_load(card[4:].partition("\n---\n")[0])


def test_results_are_those_of_stage_6(tmp_path, tiny_model, scored):
    words = "--corpus bvcc --label_kind human --label_name MOS --licence CC-BY-4.0"
    card = pack(
        *(tmp_path, tiny_model, *words.split(), "--scores", str(tmp_path / "scored")),
        *("--labels", str(tmp_path / "raw")),
    )
    with zipfile.ZipFile(tmp_path / "m.zip") as z:
        names = [n for n in z.namelist() if n.startswith("scores/")]
    assert sorted(names) == [
        *("scores/somos/test/labels.yaml", "scores/somos/test/scores.json"),
        *("scores/test/labels.yaml", "scores/test/scores.json"),
        "scores/unknown/scores.json",
    ]
    front = front_of(card)
    assert list(front) == [
        *("pipeline_tag", "library_name", "license", "datasets", "metrics", "tags"),
        "model-index",
    ]
    assert front["pipeline_tag"] == "audio-classification"
    assert front["library_name"] == "espnet2-distilmos"
    assert front["license"] == "cc-by-4.0" and front["datasets"] == ["bvcc"]
    assert front["metrics"] == ["mse", "pearsonr", "spearmanr", "kendalltau"]
    assert "mean-opinion-score" in front["tags"]

    # As the Hub's client reads it: it raises where a required key is missing.
    data = ModelCard(card).data
    assert data.model_name == "my-mos"
    # The set whose corpus nobody recorded is not named, nor is a variant of a set.
    sets = {(r.dataset_type, r.dataset_split) for r in data.eval_results}
    assert sets == {("bvcc", "test"), ("somos", "test")}
    own = {r.metric_name: r for r in data.eval_results if r.dataset_type == "bvcc"}
    assert len(own) == 8  # four figures by utterance, four by system
    (name,) = [n for n in own if n.startswith("SRCC by system")]
    expected = scored["test"]["sys"]["srcc"]
    assert own[name].metric_value == expected["value"]
    assert own[name].metric_type == "spearmanr"
    low, high = expected["ci95"]
    assert name == f"SRCC by system, 95 % interval {low:.3f} to {high:.3f}"
    assert own[name].task_name == "prediction of MOS"
    other = [r.metric_name for r in data.eval_results if r.dataset_type == "somos"]
    assert other == [f"{x} by utterance" for x in ("MSE", "LCC", "SRCC", "KTAU")]


def test_nothing_is_invented_where_nothing_is_recorded(tmp_path, tiny_model):
    card = pack(tmp_path, tiny_model, "--scores", str(tmp_path / "absent"))
    front = front_of(card)
    assert set(front) == {"pipeline_tag", "library_name", "tags"}
    assert "mean-opinion-score" not in front["tags"]
    assert ModelCard(card).data.eval_results is None


def test_labels_that_are_no_ratings_are_no_mean_opinion_score(tmp_path, pesq_model):
    front = front_of(pack(tmp_path, pesq_model))
    assert front["datasets"] == ["mini_mos"]
    assert "mean-opinion-score" not in front["tags"]
    # The licence of the data is not that of the model.
    assert "license" not in front


@pytest.mark.parametrize(
    "given, license, name",
    [
        ("MIT", "mit", None),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0", None),
        ("Ours: for research, only!", "other", "ours-for-research-only"),
        ("a\": [&x, '---", "other", "a-x"),
    ],
)
def test_licences_are_those_of_the_hub_or_other(
    tmp_path, tiny_model, given, license, name
):
    front = front_of(pack(tmp_path, tiny_model, "--licence", given))
    assert front["license"] == license and front.get("license_name") == name


def test_names_that_yaml_would_take_for_more(tmp_path, tiny_model):
    """A corpus' name is the user's; the Hub refuses a card with a bad data set."""
    name = "my corpus: [1, 2]"
    front = front_of(pack(tmp_path, tiny_model, "--corpus", name))
    assert "datasets" not in front


def test_scores_that_are_none_are_refused(tmp_path, tiny_model, scored, capsys):
    (tmp_path / "scored/test/scores.json").write_text('{"n_utt": 3}')
    command = f"pack-model --train_config {tiny_model}/config.yaml "
    command += f"--model_file {tiny_model}/model.pth --output {tmp_path}/m.zip "
    assert cli([*command.split(), "--scores", str(tmp_path / "scored")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "test/scores.json: not the scores.json of this version" in line
    assert not (tmp_path / "m.zip").exists()
