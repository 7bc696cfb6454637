"""Pictures: they are PNG files, with the right panels, and refuse nonsense."""

import contextlib
import math

import numpy as np
import pytest

from espnet2_distilmos.bin.score_sets import main as score_sets
from espnet2_distilmos.report import canvas as canvas_module
from espnet2_distilmos.report import curves, plots
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_yaml
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture
def axes_of(monkeypatch):
    """The axes of the last picture, to look at what was drawn."""
    seen = []

    @contextlib.contextmanager
    def spy(path, n_panels, size):
        with canvas_module.canvas(path, n_panels, size) as (figure, axes):
            seen[:] = axes
            yield figure, axes

    monkeypatch.setattr(plots, "canvas", spy)
    return seen


def size_of_png(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no rest behind
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def scatter_data(n_sys=12):
    rng = np.random.default_rng(0)
    ids = [f"s{i % n_sys}-{i}" for i in range(5 * n_sys)]
    ref = {u: float(rng.uniform(1, 5)) for u in ids}
    hyp = {u: v + 0.3 * float(rng.normal()) for u, v in ref.items()}
    return ref, hyp, {u: u.split("-")[0] for u in ids}


def history(n=5, **more):
    return {
        e: {
            "train": {"loss": 1 / e, "mos_loss": 0.5 / e},
            "valid": {"loss": 1 / e + 0.1, "srcc": 0.8 - (e - 3) ** 2 / 100, **more},
        }
        for e in range(1, n + 1)
    }


def test_scatter(tmp_path, axes_of):
    path = tmp_path / "scatter.png"
    plots.plot_scatter(path, *scatter_data(), "model on set", "PESQ MOS-LQO")
    width, height = size_of_png(path)
    assert width > 1000 > height > 500
    left, right = axes_of
    assert left.get_title().startswith("60 utterances\nSRCC 0.")
    assert right.get_title().startswith("12 systems\nSRCC 0.")
    for ax in axes_of:
        assert ax.get_xlabel() == "label (PESQ MOS-LQO)"
        assert ax.get_ylabel() == "predicted MOS"
        assert ax.get_xlim() == ax.get_ylim() == left.get_xlim()
    assert len(right.collections[0].get_offsets()) == 12


def test_scatter_of_few_systems_claims_nothing(tmp_path, axes_of):
    plots.plot_scatter(tmp_path / "a.png", *scatter_data(n_sys=4), "title")
    assert axes_of[1].get_title() == "4 systems\ntoo few for correlations"


def test_scatter_without_systems_and_constant(tmp_path, axes_of):
    ref, _, _ = scatter_data()
    plots.plot_scatter(tmp_path / "a.png", ref, dict.fromkeys(ref, 3.0), None, "t")
    assert len(axes_of) == 1
    assert "SRCC undefined" in axes_of[0].get_title()


def test_scatter_has_an_axis_for_each_scale(tmp_path, axes_of):
    ref, hyp, systems = scatter_data()
    wide = {u: 25 * (v - 1) for u, v in ref.items()}
    plots.plot_scatter(tmp_path / "a.png", wide, hyp, systems, "t", one_scale=False)
    for ax in axes_of:
        assert ax.get_xlim()[1] > 50 and ax.get_ylim()[1] < 10
        assert not ax.lines and ax.get_aspect() == "auto"
    plots.plot_scatter(tmp_path / "a.png", wide, wide, systems, "t")
    low, high = axes_of[0].get_xlim()
    # More than the margin of an opinion scale.
    assert low < min(wide.values()) - 2 and high > max(wide.values()) + 2
    assert axes_of[0].get_ylim() == (low, high) and axes_of[0].lines
    plots.plot_scatter(tmp_path / "a.png", ref, ref, systems, "t")
    margins = min(ref.values()) - 0.2, max(ref.values()) + 0.2
    assert axes_of[0].get_xlim() == margins


def test_scatter_refuses(tmp_path):
    ref, hyp, systems = scatter_data()
    del hyp["s3-3"]
    with pytest.raises(UserError, match="s3-3"):
        plots.plot_scatter(tmp_path / "a.png", ref, hyp, systems, "t")
    with pytest.raises(UserError, match="no utterance"):
        plots.plot_scatter(tmp_path / "a.png", {}, {}, None, "t")
    assert not (tmp_path / "a.png").exists()


def test_layer_weights(tmp_path, axes_of):
    path = tmp_path / "weights.png"
    plots.plot_layer_weights(path, [[0.5, 0.5, 0], [0.9995, 0.0005, 0]], [4, 8, 12])
    size_of_png(path)
    left, right = axes_of
    assert left.images[0].get_array().shape == (3, 2)
    assert [t.get_text() for t in right.texts] == ["1.000", "<0.001", "0"]
    assert [t.get_text() for t in right.get_yticklabels()] == ["4", "8", "12"]


@pytest.mark.parametrize("weights", [[], [[1.0], [0.5, 0.5]]])
def test_layer_weights_refuse(tmp_path, weights):
    with pytest.raises(UserError, match="equally many"):
        plots.plot_layer_weights(tmp_path / "a.png", weights)


def test_training_curves(tmp_path, axes_of):
    path = tmp_path / "curves.png"
    plots.plot_training_curves(path, history())
    size_of_png(path)
    titles = [ax.get_title() for ax in axes_of]
    assert titles == ["Loss", "MOS loss", "Valid correlation, utterances"]
    assert axes_of[0].figure.get_suptitle() == (
        "dotted line: best epoch, 3 (highest valid srcc)"
    )
    plots.plot_training_curves(path, history(), ("loss", "min"))
    assert "best epoch, 5 (lowest valid loss)" in axes_of[0].figure.get_suptitle()


def test_training_curves_all_panels(tmp_path, axes_of):
    values = {"token_loss": 2.0, "token_acc": 0.3, "lcc": 0.7, "sys_srcc": 0.9}
    plots.plot_training_curves(tmp_path / "a.png", history(1, **values))
    assert len(axes_of) == 6


def test_undefined_values_are_not_drawn():
    data = history(3)
    data[1]["valid"] |= {"srcc": -1.0, "loss": math.nan}  # -1: undefined
    lines = [line for p in curves.panels_of(data) for line in p.lines]
    drawn = {(line.label, tuple(line.epochs)) for line in lines}
    assert ("SRCC", (2, 3)) in drawn
    assert ("valid", (2, 3)) in drawn
    assert curves.best_epoch({1: {"valid": {"srcc": -1.0}}}, "srcc", "max") is None


def test_training_curves_refuse(tmp_path):
    with pytest.raises(UserError, match="nothing to draw"):
        plots.plot_training_curves(tmp_path / "a.png", {1: {"train": {}}})


def test_label_histogram(tmp_path, axes_of):
    path = tmp_path / "labels.png"
    sets = {"train": [1.0, 2.5, 5.0], "test": [3.0], "a": [1.1], "b": [2], "c": [4.9]}
    plots.plot_label_histogram(path, sets, "MOS")
    size_of_png(path)
    assert [ax.get_title() for ax in axes_of][:2] == [
        "train (3 clips)",
        "test (1 clip)",
    ]
    for ax in axes_of:
        assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(100)


@pytest.mark.parametrize("sets", [{}, {"train": []}])
def test_label_histogram_refuses(tmp_path, sets):
    with pytest.raises(UserError, match="no labels"):
        plots.plot_label_histogram(tmp_path / "a.png", sets)


def test_clustering(tmp_path, axes_of):
    path = tmp_path / "clusters.png"
    plots.plot_clustering(path, [1, 2, 3], [150.0, 120.0, 90.0], [3.0, 2.0, 1.0], 200)
    size_of_png(path)
    assert [bar.get_height() for bar in axes_of[0].patches] == [150.0, 120.0, 90.0]


def test_clustering_with_two_codebooks(tmp_path, axes_of):
    path = tmp_path / "clusters.png"
    plots.plot_clustering(
        path, [1, 2], [[15.0, 9.0], [12.0, 8.0]], [[3, 2], [1, 4]], 20
    )
    size_of_png(path)
    assert [bar.get_height() for bar in axes_of[0].patches] == [15, 12, 9, 8]
    places = [bar.get_x() + bar.get_width() / 2 for bar in axes_of[0].patches]
    assert places == pytest.approx([0.8, 1.8, 1.2, 2.2])
    assert [list(line.get_ydata()) for line in axes_of[1].lines] == [[3, 1], [2, 4]]


def test_clustering_refuses(tmp_path):
    with pytest.raises(UserError, match="a layer"):
        plots.plot_clustering(tmp_path / "a.png", [1, 2], [5.0], [1.0, 2.0], 10)


def test_axes_say_what_set_and_model_are_of(axes_of, tmp_path):
    """Through the command: labels of the set across, those of the model upwards."""
    ref, hyp, systems = scatter_data()
    for folder, name, values in (
        ("raw/test", "utt2mos", ref),
        ("raw/test", "utt2sys", systems),
        ("hyp/test", "utt2mos", hyp),
    ):
        write_lines(tmp_path / folder / name, values)
    config = tmp_path / "config.yaml"
    pesq = Labels((LabelInfo("mini_mos", "objective", "PESQ MOS-LQO"),))
    args = ["--data_dirs", str(tmp_path / "raw/test"), "--root", str(tmp_path / "raw")]
    args += ["--hyp_dir", str(tmp_path / "hyp"), "--train_config", str(config)]
    for model, label, predicted in (
        (pesq.as_list(), "label (MOS)", "predicted PESQ MOS-LQO, objective"),
        (None, "label (UTMOS, predicted by a model)", "predicted MOS"),
    ):
        write_yaml(config, {"label_conf": model})
        score_sets(args)
        assert [ax.get_xlabel() for ax in axes_of] == [label, label]
        assert [ax.get_ylabel() for ax in axes_of] == [predicted, predicted]
        # Of the next turn.
        labels = Labels((LabelInfo("x", "predicted", "UTMOS"),))
        labels.write(tmp_path / "raw/test/labels.yaml")
