"""Stages 1 to 3 of the recipes of published corpora, on miniatures of these."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import kaldiio
import pytest
from miniatures import CORPORA, make_miniature

from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.labels import Labels

REPO = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SETS = {
    "nisqa": ("train", "valid", "test_for", "test_p501", "test_livetalk"),
    "somos": ("train_full", "valid_full", "test_full"),
}
OPTIONS = {"somos": ("--subset", "full")}


def recipe(corpus: str, folder: Path) -> Path:
    """A copy of a recipe's folder: scripts and settings, but no results."""
    source = REPO / f"egs2/{corpus}/distilmos1"
    target = folder / "egs2" / corpus / "distilmos1"
    target.mkdir(parents=True)
    # path.sh leads to the repository; the rest is copied, since bash reads a script
    # while it runs it, and somebody may be writing it.
    (target / "path.sh").symlink_to(REPO / "path.sh")
    for name in ("run.sh", "cmd.sh", "db.sh", "distilmos.sh"):
        shutil.copy(source / name, target)
    for name in ("conf", "local", "utils"):
        shutil.copytree(source / name, target / name)
    return target


def run(folder: Path, *args, script: str = "./run.sh", **env):
    env = {**os.environ, "DISTILMOS_PYTHON": sys.executable, **env}
    return subprocess.run(
        [script, *args], cwd=folder, env=env, capture_output=True, text=True
    )


# Stages 2 and 3 take half a minute, and have nothing to do with the corpus.
STAGE_1 = {
    "p835": ("all", "fullband", "wideband"),
    "codec_mushra": ("all", "train", "test"),
}


@pytest.mark.parametrize("corpus", STAGE_1)
def test_stage_1(corpus, tmp_path):
    tree = make_miniature(corpus, tmp_path / "my corpora" / corpus, seconds=0.3)
    folder = recipe(corpus, tmp_path)
    sets = STAGE_1[corpus]
    done = run(
        folder,
        *("--stop_stage", "1", "--test_sets", " ".join(sets)),
        **{corpus.upper(): str(tree)},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for dset in sets:
        raw = DataDir.load(folder / "dump/raw" / dset)
        given = DataDir.load(folder / "data" / dset)
        assert raw.mos == given.mos and raw.systems == given.systems
        (labels,) = Labels.beside(folder / "dump/raw" / dset).infos
        assert labels.corpus == corpus and labels.kind == "human"
        # Labels beyond 5 are on the scale that is declared.
        assert labels.scale == ((0, 100) if corpus == "codec_mushra" else (1, 5))
    assert "labels are outside" not in done.stderr
    assert "are published" in done.stderr  # of a miniature the counts do differ


@pytest.mark.parametrize("corpus", [c for c in CORPORA if c not in STAGE_1])
def test_stages_1_to_3(corpus, tmp_path, monkeypatch):
    # A blank in the path, as on many a desktop.
    tree = make_miniature(corpus, tmp_path / "my corpora" / corpus, seconds=0.5)
    folder = recipe(corpus, tmp_path)
    done = run(
        folder,
        *("--stop_stage", "3", "--ngpu", "0", "--nj", "1"),
        *("--upstream", "conf/upstream/mini.yaml"),
        *("--n_clusters", "5", "--max_frames", "500"),
        *OPTIONS.get(corpus, ()),
        **{corpus.upper(): str(tree)},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    monkeypatch.chdir(folder)  # paths in arks' lists are relative to it
    sets = SETS.get(corpus, ("train", "valid", "test"))
    dump = folder / ("dump/full" if corpus == "somos" else "dump")
    for dset in sets:
        raw = DataDir.load(dump / "raw" / dset)
        given = DataDir.load(folder / "data" / dset)
        assert raw.mos == given.mos and raw.systems == given.systems
    for dset in sets[:2]:
        tokens = kaldiio.load_scp(str(dump / f"ssl/mini/kmeans_5/{dset}/tokens.scp"))
        assert list(tokens) == list(DataDir.load(dump / "raw" / dset).wavs)
        assert tokens[next(iter(tokens))].shape[1] == 6  # layers
    assert (folder / "data/skipped.txt").exists()
    assert "are published" in done.stderr  # of a miniature the counts do differ


def test_every_recipe_has_the_same_shape():
    for corpus in CORPORA:
        folder = REPO / f"egs2/{corpus}/distilmos1"
        for name in ("cmd.sh", "db.sh", "distilmos.sh", "path.sh", "utils"):
            link = Path("../../TEMPLATE/distilmos1") / name
            assert (folder / name).readlink() == link, (corpus, name)
            assert (folder / name).exists()
        readme = (folder / "README.md").read_text()
        for heading in ("Licence", "Getting the data", "Published", "What was run"):
            assert f"## {heading}" in readme, (corpus, heading)
        assert f"test/miniatures.py {corpus} " in readme


@pytest.mark.parametrize("corpus", CORPORA)
def test_no_path_in_db_sh_is_one_line(corpus, tmp_path):
    folder = recipe(corpus, tmp_path)
    done = run(folder, script="local/data.sh", **{corpus.upper(): ""})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"fill the value of '{corpus.upper()}' of db.sh" in line
    assert not (folder / "data").exists()


def test_options_of_data_sh_reach_the_preparation(tmp_path):
    """Those that stage 1 hands on; and that a mistake stops it."""
    tree = make_miniature("somos", tmp_path / "tree", seconds=0.2)
    folder = recipe("somos", tmp_path)
    stage_1 = ("--stop_stage", "1", "--ngpu", "0")
    options = ("--local_data_opts", "--listeners true --strict true", "--subset=full")
    done = run(folder, *stage_1, *options, SOMOS=str(tree))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: somos: train_full: 30 clips, 14100 are published")
    done = run(folder, *stage_1, *options[:1], "--listeners true", SOMOS=str(tree))
    assert done.returncode == 0, done.stderr
    assert (folder / "data/train/utt2ratings").exists()
    assert not (folder / "data/train_full/wav.scp").exists()
    done = run(folder, "--subset", "dirty")
    assert done.returncode == 1
    assert done.stderr == ("run.sh: error: --subset is clean or full, found 'dirty'\n")
