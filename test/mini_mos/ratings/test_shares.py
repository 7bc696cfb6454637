"""Scores with another share of the probe."""

import pytest

from espnet2_distilmos.utils.datadir import read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from mini_mos.bin import share_of_probe
from mini_mos.ratings.shares import with_share, write_shares

PROBE = {"a": 1.0, "b": 4.0}


def mixed(share):
    decoder = {"a": 3.0, "b": 2.0}
    return {u: share * PROBE[u] + (1 - share) * decoder[u] for u in PROBE}


@pytest.mark.parametrize("new", [0.0, 0.3, 0.9, 1.0])
def test_the_scores_of_another_share(new):
    assert with_share(mixed(0.5), PROBE, 0.5, new) == pytest.approx(mixed(new))


def test_files(tmp_path):
    write_lines(tmp_path / "probe" / "utt2mos", PROBE)
    for name in ("distilmos_main_s0", "distilmos_main_s1", "sslmos_main_s0"):
        write_lines(tmp_path / name / "utt2mos", mixed(0.5))
    for _ in range(2):  # what is computed is not computed from again
        share_of_probe.main(
            f"--dir {tmp_path} --probe_dir {tmp_path / 'probe'} --share 0.9 "
            f"--output_dir {tmp_path / 'new'}".split()
        )
    made = {p.name: p / "utt2mos" for p in (tmp_path / "new").iterdir()}
    assert set(made) == {"distilmos_main_s0", "distilmos_main_s1"}
    for file in made.values():
        assert read_floats(file) == pytest.approx(mixed(0.9))


def test_what_cannot_be_computed(tmp_path):
    write_lines(tmp_path / "probe" / "utt2mos", PROBE)
    with pytest.raises(UserError, match="no <name>"):
        write_shares(tmp_path, tmp_path / "probe", tmp_path, 0.5, 0.9)
    write_lines(tmp_path / "x_main_s0" / "utt2mos", {"a": 1.0})
    with pytest.raises(UserError, match="utt2mos"):
        write_shares(tmp_path, tmp_path / "probe", tmp_path, 0.5, 0.9)
    with pytest.raises(UserError, match="below 1"):
        share_of_probe.main(
            "--dir x --probe_dir y --output_dir z --share 0.9 --trained_share 1".split()
        )
