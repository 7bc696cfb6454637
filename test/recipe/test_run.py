"""The recipe of mini_mos from end to end, with a tiny upstream and made-up speech.

The tests run in the order of the file: later ones go on where the first run ended.
"""

import json
import shutil

import kaldiio
import numpy as np
import pytest
import yaml
from mini_recipe import SETS, Recipe
from tiny_upstreams import RECIPE_UPSTREAM as UPSTREAM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The whole recipe, run once."""
    recipe = Recipe(tmp_path_factory.mktemp("recipe"))
    recipe.first = recipe.run()
    return recipe


def test_every_stage_runs_and_leaves_its_results(recipe):
    done = recipe.first
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for stage in range(1, 7):
        assert f"Stage {stage}: " in done.stdout
    assert "Successfully finished." in done.stdout.splitlines()[-1]
    for name in (
        "dump/raw/train/wav.scp",
        "dump/ssl/tiny/frames/layer_02.npy",
        "dump/ssl/tiny/kmeans_10/layer_02.npy",
        "dump/ssl/tiny/kmeans_10/clusters.png",
        "dump/ssl/tiny/kmeans_10/valid/tokens.scp",
        "exp/mos_tiny/valid.srcc.best.pth",
        "exp/mos_tiny/plots/training.png",
        "exp/mos_tiny/plots/layer_weights.png",
        "exp/RESULTS.md",
        *(
            f"exp/mos_tiny/inference_valid.srcc.best/{dset}/{name}"
            for dset in SETS
            for name in ("utt2mos", "frame_mos.scp", "scores.json", "scatter.png")
        ),
    ):
        assert (recipe / name).stat().st_size > 0, name
    assert not list((recipe / "exp").rglob("*.tmp*"))


def test_table_is_printed_and_written(recipe):
    results = (recipe / "exp/RESULTS.md").read_text()
    assert "not human ratings" in results
    rows = [r for r in results.splitlines() if r.startswith("| utterance ")]
    assert sum("| mos_tiny " in row for row in rows) == len(SETS)
    assert all(row in recipe.first.stdout.splitlines() for row in rows)
    assert "system_mean" in results
    for name in (
        *("constant", "spectral_statistics", "log-mel statistics"),
        "linear probe (upstream tiny)",
    ):
        assert sum(f"| *{name}* " in row for row in rows) == len(SETS), name
    scores = json.loads(
        (recipe / "exp/mos_tiny/inference_valid.srcc.best/test/scores.json").read_text()
    )
    n_clips = len((recipe / "dump/raw/test/wav.scp").read_text().splitlines())
    assert scores["n_utt"] == n_clips
    assert np.isfinite(scores["utt"]["mse"]["value"])


def test_rows_made_elsewhere_stand_beside_where_the_clips_are_the_same(recipe):
    shipped = recipe / "shipped/peer"
    for dset in SETS:
        (shipped / dset).mkdir(parents=True)
        own = recipe / f"exp/mos_tiny/inference_valid.srcc.best/{dset}/utt2mos"
        lines = own.read_text().splitlines(keepends=True)
        # Of the last set a clip is missing.
        (shipped / dset / "utt2mos").write_text("".join(lines[dset == SETS[-1] :]))
    (shipped / "NOTE.txt").write_text("a peer")
    done = recipe.run("--stage", "6", shipped_rows="shipped")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"shipped/peer/{SETS[-1]}: not shown, made of other clips" in done.stderr
    rows = [r.split("|")[2:] for r in done.stdout.splitlines() if "| utter" in r]
    peer, ours = (
        [[x.strip() for x in row[1:]] for row in rows if row[0].strip() == name]
        for name in ("*peer*", "mos_tiny")
    )
    assert len(peer) == len(SETS) - 1 and peer == ours[:-1]
    assert "*peer*: a peer" in done.stdout
    shutil.rmtree(recipe / "exp/reference_rows/peer")


def test_scores_do_not_depend_on_the_jobs(recipe):
    """Scored by two jobs in the recipe, by one here, with the checkpoint alone."""
    from espnet2_distilmos.inference.engine import DistilMOSInference
    from espnet2_distilmos.utils.audio import read_audio
    from espnet2_distilmos.utils.datadir import read_floats, read_wav_scp

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(recipe.folder)
        model = DistilMOSInference(None, "exp/mos_tiny/valid.srcc.best.pth")
        found = read_floats("exp/mos_tiny/inference_valid.srcc.best/test/utt2mos")
        wavs = read_wav_scp("dump/raw/test/wav.scp")
        assert list(found) == list(wavs)
        for utt, path in wavs.items():
            assert found[utt] == pytest.approx(
                model(*read_audio(path))["mos"], abs=1e-4
            )


def test_a_second_run_makes_nothing_again(recipe):
    before = recipe.state()
    done = recipe.run()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    after = recipe.state()
    assert before.keys() == after.keys()
    changed = [name for name in before if before[name] != after[name]]
    # Statistics are written at every run: that takes no time.
    assert [name for name in changed if "stats_train_valid" not in name] == []
    assert "Stage 5: exp/mos_tiny: already trained, nothing to do" in done.stdout
    logs = done.stdout + done.stderr
    for part in ("raw/train", "ssl/tiny/frames", "ssl/tiny/kmeans_10"):
        assert f"dump/{part}: already whole, nothing to do" in logs, part


def test_a_training_is_what_its_stamp_says(recipe, tmp_path):
    """In a copy of the whole recipe elsewhere, whose dates are other ones."""
    copied = recipe.copy(tmp_path)
    exp = copied / "exp/mos_tiny"
    stage_5 = ("--stage", "5", "--stop_stage", "5")

    def state():
        names = ("checkpoint.pth", "config.yaml", "run.sh", "train.log")
        return {name: (exp / name).read_bytes() for name in names}

    before = state()
    done = copied.run("--stage", "1", "--stop_stage", "1")
    assert "dump/raw/train: already whole, nothing to do" in done.stderr
    done = copied.run(*stage_5)
    assert "exp/mos_tiny: already trained, nothing to do (2 epochs)" in done.stdout
    # Other labels.
    labels = copied / "dump/raw/train/utt2mos"
    text = labels.read_text()
    rows = [line.split() for line in text.splitlines()]
    labels.write_text("".join(f"{utt} {6 - float(mos)}\n" for utt, mos in rows))
    more = copied.options["train_args"] + " --loss_conf token_weight=3.0"
    done = copied.run(*stage_5, train_args=more)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: exp/mos_tiny: holds weights of another training, which differs in "
        "labels of train; loss_conf token_weight 0.3 -> 3.0; train under another --tag "
        "(distilmos train: another --output_dir), or remove exp/mos_tiny"
    )
    labels.write_text(text)
    assert state() == before
    # An experiment of an earlier version, of which nothing is known.
    (exp / "training.yaml").rename(exp / "kept.yaml")
    done = copied.run(*stage_5)
    assert done.returncode == 1
    assert "holds weights but no training.yaml" in done.stderr.splitlines()[-1]
    (exp / "kept.yaml").rename(exp / "training.yaml")
    # More epochs of the same go on.
    more = copied.options["train_args"].replace("--max_epoch 2", "--max_epoch 3")
    done = copied.run(*stage_5, train_args=more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (exp / "3epoch.pth").exists()
    record = yaml.safe_load((exp / "training.yaml").read_text())
    assert record["epochs"] == 3


def test_training_and_scoring_alone_of_ssl_mos_on_filter_banks(recipe):
    """The baseline: no tokens, an upstream without parameters, stages 5 and 6."""
    baseline = {
        "upstream": "conf/upstream/fbank.yaml",
        "train_config": "conf/train_sslmos.yaml",
        "train_args": "--max_epoch 1 --num_workers 0",
        "test_sets": "test",
        "inference_nj": "1",
        "reference_rows": "false",
        "tag": "",
    }
    off = {"train_args": "--loss_conf token_weight=0"}
    done = recipe.run("--stage", "2", "--stop_stage", "2", **off)
    assert "Stage 2: skipped, this training uses no tokens" in done.stdout
    done = recipe.run("--stage", "2", "--stop_stage", "3", **baseline)
    assert "Stage 2: skipped, this training uses no tokens" in done.stdout
    assert "Stage 3: skipped, this training uses no tokens" in done.stdout
    done = recipe.run("--stage", "5", "--stop_stage", "6", **baseline)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Stage 4" not in done.stdout
    assert not (recipe / "dump/ssl/fbank").exists()
    (exp,) = (recipe / "exp").glob("mos_train_sslmos_fbank*")
    assert (exp / "inference_valid.srcc.best/test/scores.json").exists()
    assert (exp / "plots/training.png").exists()
    assert not (exp / "plots/layer_weights.png").exists()
    # Experiments so far are in one table.
    results = (recipe / "exp/RESULTS.md").read_text()
    assert f"| {exp.name} " in results and "| mos_tiny " in results


def test_tokens_of_another_upstream_are_refused_by_name(recipe):
    """A changed upstream under the old name, and training alone."""
    changed = {**UPSTREAM, "normalize": True}
    (recipe / "tiny.yaml").write_text(yaml.safe_dump(changed))
    done = recipe.run("--stage", "5", tag="other")
    (recipe / "tiny.yaml").write_text(yaml.safe_dump(UPSTREAM))
    assert done.returncode == 1
    (line,) = [x for x in done.stderr.splitlines() if "training failed" in x]
    assert "the tokens were made with another upstream: normalize is False" in line
    assert "exp/mos_other/train.log" in line
    # No weights: with the tokens of this upstream, or another one, it may begin anew.
    assert not list((recipe / "exp/mos_other").glob("*.pth"))


def test_other_clusterings_stand_beside_the_first(recipe):
    """Two codebooks of standardised frames, of clean speech too, to a trained model."""
    before = recipe.state()
    more = {"n_codebooks": "2", "cluster_sets": "clean", "standardize_states": "true"}
    done = recipe.run("--stop_stage", "5", **more, nj="1", tag="")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    changed = [n for n, v in recipe.state().items() if n in before and v != before[n]]
    assert [n for n in changed if "stats_train_valid" not in n] == []
    ssl = recipe / "dump/ssl/tiny"
    found = yaml.safe_load((ssl / "kmeans_10x2_std_clean/provenance.yaml").read_text())
    assert found["standardize_states"] is True
    assert found["n_codebooks"] == 2 and found["sets"].keys() == {"clean", "train"}
    clips = (recipe / "dump/raw/clean/wav.scp").read_text().splitlines()
    assert found["sets"]["clean"]["n_clips"] == len(clips)
    assert not (recipe / "dump/raw/clean/utt2mos").exists()
    assert (ssl / "frames_clean/frames.yaml").exists()
    assert not (ssl / "kmeans_10x2_std_clean/clean").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(recipe.folder)
        scp = ssl / "kmeans_10x2_std_clean/valid/tokens.scp"
        assert {t.shape[1] for t in kaldiio.load_scp(str(scp)).values()} == {4}
    (exp,) = (recipe / "exp").glob("mos_train_distilmos_tiny_k10x2_std_clean*")
    assert (exp / "valid.srcc.best.pth").exists()


def test_a_model_with_a_readout_gets_the_linear_probe(recipe):
    """Unless weights are named to start from."""
    more = " --predictor_conf readout=statistics --predictor_conf readout_layers=[1]"
    more += " --upstream_conf frozen_layers=1"
    asked = {
        "train_args": recipe.options["train_args"].replace("epoch 2", "epoch 1") + more,
        "tag": "readout",
    }
    stage_5 = ("--stage", "5", "--stop_stage", "5")
    done = recipe.run(*stage_5, **asked)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    exp = recipe / "exp/mos_readout"
    made = yaml.safe_load((exp / "probe/probe.yaml").read_text())
    assert made["layers"] == [1]
    options = yaml.safe_load((exp / "training.yaml").read_text())["request"]["options"]
    assert options["init_param"] == {"1": made["sha256"]}
    assert "Loading pretrained params from" in (exp / "train.log").read_text()
    # Stage 6 had made the features, for the row of the table.
    assert (
        "reference_rows/layer_statistics/tiny/train: already whole"
        in (exp / "probe/fit.log").read_text()
    )
    written = (exp / "probe/probe.pth").stat().st_mtime_ns
    done = recipe.run(*stage_5, **asked)
    assert "exp/mos_readout: already trained, nothing to do" in done.stdout
    assert (exp / "probe/probe.pth").stat().st_mtime_ns == written
    other = {"tag": "own", "train_args": f"{asked['train_args']} --init_param"}
    other["train_args"] += " exp/mos_readout/valid.srcc.best.pth"
    done = recipe.run(*stage_5, **other)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (recipe / "exp/mos_own/probe").exists()


@pytest.mark.parametrize(
    "args, message",
    [
        (["--stages", "1"], "unknown option --stages"),
        (["--stage", "one"], "option --stage is a number"),
        (["--stage", "7", "--stop_stage", "6"], "--stage 7: nothing to do"),
        (["--nj", "0"], "--nj 0: at least 1 is needed"),
        (["--upstream", "conf/upstream/x.yaml"], "conf/upstream/x.yaml: no such file"),
        (["--train_config", "x.yaml"], "--train_config x.yaml: no such file"),
        (["--train_set", ""], "--train_set is required"),
        (["--stage", "5", "--n_clusters", "7"], "run stage 3 first"),
        (["--stage", "6", "--mos_exp", "exp/none"], "run stage 5 first"),
        (["--n_codebooks", "two"], "option --n_codebooks is a number"),
        (["--cluster_sets", "valid"], "is a training, validation or test set already"),
        (["--cluster_sets", "x/clean"], "--cluster_sets x/clean: a folder of data/"),
        (["extra"], "no positional arguments are expected, found: extra"),
    ],
)
def test_mistakes_are_named_before_anything_is_done(recipe, args, message):
    done = recipe.run(*args)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert "Stage" not in done.stdout
