"""What stage 4 finds in tokens, and what training does where it has not looked."""

import shutil

import kaldiio
import numpy as np
import pytest
from stages import write_tokens

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.check import check_tokens, require_checked
from espnet2_distilmos.tokens.token_set import read_matrix
from espnet2_distilmos.train.identity import content
from espnet2_distilmos.train.stats import collect_stats
from espnet2_distilmos.utils.arks import write_ark
from espnet2_distilmos.utils.datadir import read_lines, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml


@pytest.fixture
def made(corpus, tmp_path):
    """Tokens of a set of their own; `spoil` changes those of some clips."""

    class Made:
        folder = tmp_path / "kmeans/train"
        scp = folder / "tokens.scp"
        raw = tmp_path / "raw/train"

        def spoil(self, **changes):
            tokens = {
                u: np.array(x) for u, x in kaldiio.load_scp(str(self.scp)).items()
            }
            for utt, change in changes.items():
                tokens[utt] = change(tokens[utt]).astype(np.float32)
            offsets = write_ark(self.folder / "tokens.ark", tokens.items())
            ark = self.folder / "tokens.ark"
            write_lines(self.scp, {u: f"{ark}:{n}" for u, n in offsets.items()})

        def check(self):
            check_tokens(self.scp, self.raw, content(str(self.scp), "kaldi_ark"))

    shutil.copytree(corpus.kmeans, tmp_path / "kmeans")
    shutil.copytree(corpus.raw / "train", Made.raw)
    (Made.folder / "checked.yaml").unlink()
    made = Made()
    made.spoil()  # scp names this copy
    return made


def test_good_tokens_are_noted_and_not_read_again(made, monkeypatch):
    made.check()
    digest = content(str(made.scp), "kaldi_ark")
    assert read_yaml(made.folder / "checked.yaml")["request"]["tokens"] == digest
    require_checked(made.scp, digest)
    monkeypatch.setattr("espnet2_distilmos.tokens.check.read_matrix", None)
    made.check()


def test_matrices_are_read_as_kaldiio_reads_them(made):
    for utt, place in read_lines(made.scp, str).items():
        assert np.array_equal(read_matrix(place), kaldiio.load_mat(place)), utt


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda x: x[:-1], r"train03: \d+ frames, but the upstream makes \d+"),
        (lambda x: np.concatenate([x, x[:1]]), r"train03: \d+ frames, but the upstr"),
        (lambda x: x[:, :2], "train03: 2 tokens a frame, not 3 layers x 1 codebooks"),
        (
            lambda x: np.where(x == x.max(), 8, x),
            "train03: token 8, but they go from 0 ",
        ),
        (lambda x: x - 9, r"train03: token -\d, but they go from 0 to 7"),
        (lambda x: x + 0.5, "train03: tokens that are no whole numbers"),
        (lambda x: x * np.nan, "train03: tokens that are no whole numbers"),
        (lambda x: x + np.inf, "train03: tokens that are no whole numbers"),
    ],
)
def test_tokens_that_cannot_be_used_name_the_clip(made, spoil, reason):
    made.spoil(train03=spoil)
    expected = (
        rf"tokens.scp: tokens of 1 of 12 clips cannot be used \({reason}.*\); rem"
    )
    with pytest.raises(UserError, match=expected) as told:
        made.check()
    assert "\n" not in str(told.value)
    assert not (made.folder / "checked.yaml").exists()


def test_all_clips_are_looked_at_and_the_first_ones_named(made):
    made.spoil(**{f"train{i:02d}": lambda x: x - 9 for i in range(3, 11)})
    with pytest.raises(
        UserError, match="of 8 of 12 clips .*train07: [^;]*; and 3 more"
    ):
        made.check()


@pytest.mark.parametrize(
    "place, reason",
    [
        ("cat tokens.ark |", "FILE:OFFSET was expected"),
        ("gone.ark:7", "gone.ark: cannot be read"),
        ("{ark}:3", "no matrix of float32 begins there"),
        ("{ark}:99999999", "no matrix of float32 begins there"),
        ("{pickled}:2", "no matrix of float32 begins there"),
    ],
)
def test_an_entry_that_is_something_else_is_named_and_not_run(made, place, reason):
    pickled = made.folder / "pickled.ark"
    pickled.write_bytes(b"u PKL" + b"\x80\x04N." + bytes(20))
    places = read_lines(made.scp, str)
    ark = made.folder / "tokens.ark"
    places["train05"] = place.format(ark=ark, pickled=pickled)
    write_lines(made.scp, places)
    with pytest.raises(UserError, match=f"1 of 12 clips .*train05: .*{reason}"):
        check_tokens(made.scp, made.raw, "any")


def test_a_file_that_is_cut_off(made):
    ark = made.folder / "tokens.ark"
    ark.write_bytes(ark.read_bytes()[:-50])
    with pytest.raises(UserError, match="1 of 12 clips .*tokens.ark: is cut off"):
        made.check()


def test_tokens_of_other_audio_or_clusters_are_refused(made):
    made.check()
    for file, changes in (
        (made.raw / "format.yaml", {"audio_sha256": "other"}),
        (made.folder.parent / "provenance.yaml", {"seed": 5}),
    ):
        before = file.read_text()
        write_yaml(file, {**read_yaml(file), **changes})
        with pytest.raises(UserError, match="not whole, or made from other audio than"):
            made.check()
        file.write_text(before)
    made.check()
    (made.folder / "tokens.yaml").unlink()
    with pytest.raises(UserError, match="not whole, .*; run stage 3 again"):
        made.check()


def test_stage_3_notes_the_frames_of_tokens_of_an_earlier_version(made, corpus):
    frames = made.folder / "utt2num_frames"
    before, ark = frames.read_text(), (made.folder / "tokens.ark").stat().st_mtime_ns
    frames.unlink()
    with pytest.raises(UserError, match="run stage 3 again"):
        made.check()
    write_tokens([made.raw], UpstreamConfig(**corpus.conf), made.folder.parent)
    assert frames.read_text() == before
    assert (made.folder / "tokens.ark").stat().st_mtime_ns == ark
    made.check()


def test_training_refuses_tokens_that_stage_4_has_not_seen(made, tmp_path):
    digest = content(str(made.scp), "kaldi_ark")
    with pytest.raises(UserError, match="the tokens are unchecked; run stage 4"):
        require_checked(made.scp, digest)
    collect_stats(made.raw, tmp_path / "stats", made.scp)
    require_checked(made.scp, digest)
    made.spoil(train03=lambda x: 7 - x)  # no fault, but others
    changed = content(str(made.scp), "kaldi_ark")
    with pytest.raises(UserError, match="have changed since stage 4 checked them"):
        require_checked(made.scp, changed)
    collect_stats(made.raw, tmp_path / "stats", made.scp)
    require_checked(made.scp, changed)
