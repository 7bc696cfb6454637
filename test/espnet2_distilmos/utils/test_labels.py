"""What labels are: the record, its words, and what is refused."""

from pathlib import Path

import pytest

from espnet2_distilmos.bin.show_labels import main as show_labels
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

REPO = Path(__file__).parents[3]
PESQ = LabelInfo(
    "mini_mos", "objective", "PESQ MOS-LQO", "ITU-T P.862.2", (1, 4.644), "CC0", "here"
)
MOS = LabelInfo("bvcc", "human", "MOS", "8 ratings a clip", (1, 5), "CC BY", "there")


@pytest.mark.parametrize(
    "infos, sentence, judged_by, axis",
    [
        (
            (PESQ,),
            "predicts PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1 to 4.64), not "
            "human ratings; trained on mini_mos",
            "by predicted PESQ MOS-LQO, which does not measure naturalness",
            "PESQ MOS-LQO, objective",
        ),
        (
            (MOS,),
            "predicts MOS (human ratings, 8 ratings a clip; scale 1 to 5); trained on "
            "bvcc",
            "by predicted MOS",
            "MOS",
        ),
        (
            (LabelInfo("x", "predicted", "UTMOS"),),
            "predicts UTMOS (predicted by a model), not human ratings; trained on x",
            "by predicted UTMOS, which imitates a model's scores and not listeners",
            "UTMOS, predicted by a model",
        ),
        (
            (LabelInfo("x"),),
            "predicts scores (kind of labels not stated), perhaps not human ratings; "
            "trained on x",
            "by predicted scores, of which it is not stated whether listeners gave it",
            "scores, kind of labels not stated",
        ),
        (
            (MOS, PESQ, LabelInfo("x", "predicted", "MOS", "by UTMOS", (1, 5))),
            "predicts MOS (human ratings) [bvcc]; PESQ MOS-LQO (objective, not human "
            "ratings) [mini_mos]; MOS (predicted by a model, not human ratings) [x]; "
            "more: distilmos info",
            "by predicted MOS and predicted PESQ MOS-LQO, which does not measure "
            "naturalness and predicted MOS, which imitates a model's scores and not "
            "listeners",
            "MOS / PESQ MOS-LQO, objective, predicted by a model",
        ),
        ((), "labels: not recorded", "by a model whose labels are not recorded", "MOS"),
        (
            (MOS, PESQ),
            "predicts MOS (human ratings, 8 ratings a clip; scale 1 to 5) [bvcc]; PESQ "
            "MOS-LQO (objective, ITU-T P.862.2; scale 1 to 4.64), not human ratings "
            "[mini_mos]; trained on bvcc, mini_mos",
            "by predicted MOS and predicted PESQ MOS-LQO, which does not measure "
            "naturalness",
            "MOS / PESQ MOS-LQO, objective",
        ),
    ],
)
def test_words(infos, sentence, judged_by, axis):
    labels = Labels(infos)
    assert labels.sentence == sentence
    assert labels.judged_by == judged_by
    assert labels.axis == axis


def test_the_record_survives_its_file(tmp_path, capsys):
    labels = Labels((MOS, PESQ))
    labels.write(tmp_path / "labels.yaml")
    assert Labels.beside(tmp_path) == Labels.read(tmp_path / "labels.yaml") == labels
    assert Labels.from_list(labels.as_list(), "here") == labels
    assert labels.scale == (1, 5) and labels.licences == "CC BY, CC0"
    show_labels([str(tmp_path / "labels.yaml")])
    assert capsys.readouterr().out == (
        "human: MOS, 8 ratings a clip; objective: PESQ MOS-LQO, ITU-T P.862.2, not "
        "human ratings\n"
    )


def test_a_finished_training_gets_the_record(tmp_path):
    """As stage 5 does where nothing else is to be done; all else stays."""
    Labels((PESQ,)).write(tmp_path / "labels.yaml")
    config = tmp_path / "config.yaml"
    write_yaml(config, {"b": [1, None], "a": "x"})
    command = [str(tmp_path / "labels.yaml"), "--train_config", str(config)]
    show_labels(command)
    made = {"b": [1, None], "a": "x", "label_conf": Labels((PESQ,)).as_list()}
    assert read_yaml(config) == made and list(read_yaml(config))[:2] == ["b", "a"]
    date = config.stat().st_mtime_ns
    show_labels(command)
    assert config.stat().st_mtime_ns == date


def test_scale_is_known_only_if_all_are():
    assert Labels((PESQ,)).scale == (1, 4.644)
    assert Labels((PESQ, LabelInfo("x"))).scale == (1, 5)
    assert Labels().scale == (1, 5)


def test_joined_each_once():
    assert Labels.join([Labels((MOS,)), Labels((PESQ, MOS))]).infos == (MOS, PESQ)


def test_carried_beside_a_set_and_taken_away_again(tmp_path):
    Labels((PESQ,)).carry(tmp_path / "set")
    file = tmp_path / "set/labels.yaml"
    date = file.stat().st_mtime_ns
    Labels((PESQ,)).carry(tmp_path / "set")
    assert file.stat().st_mtime_ns == date
    Labels((MOS,)).carry(tmp_path / "set")
    assert Labels.beside(tmp_path / "set").infos == (MOS,)
    Labels().carry(tmp_path / "set")
    assert not file.exists() and not Labels.beside(tmp_path / "set")


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "mapping"),
        ("labels: []", "`labels:` with a list of corpus, kind"),
        ("labels: x", "must be a list"),
        ("labels: [x]", "labels: a mapping .key: value lines. was"),
        ("labels: [{kind: human}]", "labels: missing: corpus"),
        ("labels: [{corpus: a, kind: MOS}]", "kind: 'MOS' is none of human, objective"),
        ("labels: [{corpus: a, kind: [human]}]", "kind must be text, not .'human'."),
        ("labels: [{corpus: ' '}]", "corpus: its name is missing"),
        ("labels: [{corpus: a, rate: 3}]", "unknown key rate; known: corpus, kind"),
        ("labels: [{corpus: a, scale: [5, 1]}]", "scale: .LOWEST, HIGHEST."),
        ("labels: [{corpus: a, scale: '15'}]", "scale: .LOWEST, HIGHEST."),
        ("labels: [{corpus: a, scale: [1, .inf]}]", "scale: .LOWEST, HIGHEST."),
        ('labels: [{corpus: a, name: "\\e[31mMOS"}]', "name: one line of text"),
        ("labels: [{corpus: a, name: " + 600 * "x" + "}]", "name: longer than 500"),
    ],
)
def test_refused(tmp_path, text, message):
    file = tmp_path / "labels.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=message) as e:
        Labels.read(file)
    assert str(file) in str(e.value)


def test_options_override_the_record():
    labels = Labels((PESQ,))
    assert labels.override(corpus=None, kind="") is labels
    (info,) = labels.override(corpus="mine", kind="human", name="MOS").infos
    assert (info.corpus, info.kind, info.name) == ("mine", "human", "MOS")
    assert info.scale == (1, 4.644)
    (info,) = Labels().override(kind="objective").infos
    assert (info.corpus, info.kind) == ("not stated", "objective")
    with pytest.raises(UserError, match="trained on bvcc, mini_mos; one name cannot"):
        Labels((MOS, PESQ)).override(corpus="mine")


PREPARE = REPO / "mini_mos/tiny_mos/prepare.py"


def test_every_recipe_says_what_its_labels_are():
    """Each under its own name; only those of mini_mos are no ratings."""
    recipes = sorted(REPO.glob("egs2/*/distilmos1/run.sh"))
    recipes = [r.parent for r in recipes if "TEMPLATE" not in r.parts]
    assert len(recipes) >= 7
    for recipe in recipes:
        if recipe.parent.name == "tiny_mos":  # its sets have labels of three kinds
            assert "labels.write(folder / LABELS)" in PREPARE.read_text()
            continue
        for file in (recipe / "local/labels.yaml", *recipe.glob("local/labels_*.yaml")):
            (info,) = Labels.read(file).infos
            assert info.corpus == recipe.parent.name
            expected = "objective" if info.corpus == "mini_mos" else "human"
            assert info.kind == expected and info.name and info.source
            scales = {"mini_mos": (1, 4.644), "codec_mushra": (0, 100)}
            assert info.scale == scales.get(info.corpus, (1, 5))


def test_further_scales(tmp_path):
    """What is said of a scale, or else what is said of the MOS."""
    item = {
        "corpus": "c",
        "kind": "human",
        "name": "MOS",
        "scale": [1.0, 5.0],
        "scales": {"SIG": {"detail": "signal"}, "BAK": {"scale": [0.0, 100.0]}},
    }
    labels = Labels.from_list([item], "x")
    assert labels.as_list() == [item]
    labels.write(tmp_path / "labels.yaml")
    assert Labels.read(tmp_path / "labels.yaml") == labels
    assert labels.of_scale("SIG").what == "SIG (human ratings, signal; scale 1 to 5)"
    assert labels.of_scale("BAK").scale == (0.0, 100.0)
    assert labels.of_scale("NOI").what == "NOI (human ratings; scale 1 to 5)"
    # A calibration that puts the MOS on another scale leaves the others.
    moved = labels.infos[0].on_scale((0.0, 10.0))
    assert moved.scale == (0.0, 10.0)
    assert moved.of_scale("SIG").scale == (1.0, 5.0)
    assert moved.of_scale("BAK").scale == (0.0, 100.0)
    assert not Labels().of_scale("SIG")


@pytest.mark.parametrize(
    "scales, message",
    [
        (["SIG"], "scales: a mapping was expected"),
        ({"SIG": 3}, "scales: SIG: .* was expected"),
        ({"SIG": {"name": "BAK"}}, "scales: SIG: .* was expected"),
        ({"SIG": {"scale": [5, 1]}}, r"scales SIG: scale: \[LOWEST, HIGHEST\]"),
        ({"SIG": {"colour": 1}}, "scales SIG: unknown key colour"),
        ({"SIG": {"detail": "a\nb"}}, "scales SIG: detail: one line of text"),
        ({"mos": {}}, "no name of a further scale"),
        ({"a/b": {}}, "no name of a scale"),
        ({"SIG": {}, "Sig": {}}, "Sig stands there twice"),
        ({3: {}}, "no name of a scale"),
    ],
)
def test_bad_further_scales(scales, message):
    with pytest.raises(UserError, match=message) as error:
        Labels.from_list([{"corpus": "c", "scales": scales}], "labels.yaml")
    assert str(error.value).startswith("labels.yaml: labels: ")
    assert "\n" not in str(error.value)
