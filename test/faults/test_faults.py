"""Short forms of the harnesses of this folder; doc/reliability.md has the long ones."""

import logging
import os
import resource
import shutil

import pytest
from faults import determinism, kill, leaks, pipeline

from espnet2_distilmos.utils.command import run

CHECKPOINT = "exp/mos_tiny/checkpoint.pth"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """Folder with `corpus`, and `whole`, in which stages 1 to 6 ran without a fault."""
    pipeline.preload()
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module", autouse=True)
def reference(top):
    """That run."""
    return kill.Reference(pipeline.make_corpus(top / "corpus"), top / "whole")


def step_of(top, name, number=0):
    return [s for s in pipeline.steps(top / "corpus") if s.name == name][number]


def test_killed_stages_go_on_to_the_same_results(reference, tmp_path):
    figures = kill.kill_stages(tmp_path, 3, 5, [2, 3, 5], reference)
    assert figures["problems"] == []
    assert figures["kills"]["SIGKILL"] >= 3


def test_the_harness_sees_a_half_written_file_and_one_that_differs(top, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(top / "whole", folder, symlinks=True)
    expected = pipeline.results(folder)
    assert kill.half_written(folder, expected) == []
    name = "dump/ssl/frames/layer_02.npy"
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-100])
    assert kill.half_written(folder, expected) == [name]
    checkpoint = (folder / CHECKPOINT).read_bytes()
    for n in (0, 2, 1000):
        (folder / CHECKPOINT).write_bytes(checkpoint[:n])
        assert kill.half_written(folder, expected) == [name, CHECKPOINT]


def test_same_results_with_another_hash_seed_threads_and_jobs(top):
    conditions = {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "nj": "3"}
    determinism.run_variant(top / "corpus", top / "other", **conditions)
    assert determinism.differences(top / "whole", top / "other") == []


def limited(step, most):
    """The step with files of `most` bytes at most: writes fail as on a full disk."""

    def work():
        import importlib

        os.ftruncate(1, 0)  # the log has this limit too
        logging.disable(logging.INFO)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        module = importlib.import_module(f"espnet2_distilmos.bin.{step.name}")
        raise SystemExit(run(module.main, step.argv))

    return pipeline.Step(step.stage, step.name, step.argv, work)


@pytest.mark.parametrize(
    "name, number, undo, most",
    [
        ("format_audio", 0, "dump/raw/train/format.yaml", 9000),
        ("dump_layers", 0, "dump/ssl/frames", 2000),
        ("dump_layers", 2, "dump/ssl/frames/frames.yaml", 6000),
        ("cluster_layers", 0, "dump/ssl/kmeans_6/provenance.yaml", 300),
        ("tokenize_layers", 0, "dump/ssl/kmeans_6/train/tokens.yaml", 600),
        ("distilmos_train", 0, "exp/mos_tiny/checkpoint.pth", 30000),
        ("score_sets", 0, "exp/reference_rows", 300),
        (
            *("distilmos_inference", 0),
            *("exp/mos_tiny/inference/test/inference.yaml", 150),
        ),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line(
    top, tmp_path, name, number, undo, most
):
    folder = tmp_path / "run"
    shutil.copytree(top / "whole", folder, symlinks=True)
    if (name, number) == ("dump_layers", 2):  # joining needs its shards
        shutil.rmtree(folder / "dump/ssl/frames")
        for job in (0, 1):
            pipeline.run_step(step_of(top, name, job), folder)
    elif (folder / undo).is_dir():
        shutil.rmtree(folder / undo)
    else:
        (folder / undo).unlink()
    step = step_of(top, name, number)
    outcome = pipeline.run_step(
        limited(step, most), folder, log=tmp_path / "limited.log"
    )
    assert outcome.code == 1, outcome.log
    assert "Traceback" not in outcome.log
    errors = [x for x in outcome.log.splitlines() if x.startswith("error: ")]
    assert len(errors) == 1 and "make room and run the same again" in errors[0]
    assert pipeline.leftovers(folder) == []
    pipeline.run_all(
        [s for s in pipeline.steps(top / "corpus") if s.stage == step.stage], folder
    )
    assert determinism.differences(top / "whole", folder) == []


def test_memory_stays_flat(top, tmp_path, monkeypatch):
    folder = top / "leaks" / "whole"
    shutil.copytree(top / "whole", folder, symlinks=True)
    (top / "leaks/corpus").symlink_to(top / "corpus")
    monkeypatch.chdir(folder)
    figures = leaks.measure(folder, clips=100, epochs=6, every=10)
    # Python and torch take memory in steps of some MB; a leaked clip has 40 kB.
    assert figures["scoring_drift_kb"] < 6000, figures
    assert figures["training_drift_kb"] < 12000, figures
