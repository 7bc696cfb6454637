"""Weights that are damaged, not finite or not all there."""

import zipfile

import pytest
import torch

from espnet2_distilmos.model.weights import (
    name_some,
    require_finite,
    require_whole_file,
)
from espnet2_distilmos.utils.errors import UserError


def flip(path, member="data/0", bit=0x02, at=3):
    """Flip a bit of a tensor in a file of torch's."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as z:
        (info,) = [i for i in z.infolist() if i.filename.endswith(member)]
    header = info.header_offset
    names = sum(
        int.from_bytes(content[header + i : header + i + 2], "little") for i in (26, 28)
    )
    content[header + 30 + names + at] ^= bit
    path.write_bytes(content)


def test_one_bit(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(8), "b": torch.ones(3)}, path)
    require_whole_file(path)
    flip(path)
    assert torch.load(path, weights_only=True)["a"][0] != 1  # torch does not notice
    with pytest.raises(UserError, match="x.pth: damaged: the checksum of .*data/0"):
        require_whole_file(path)


def test_what_has_no_checksums_passes(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"a": torch.ones(8)}, path, _use_new_zipfile_serialization=False)
    require_whole_file(path)
    require_whole_file(tmp_path / "not there")
    require_whole_file(path.open("rb"))
    path.write_bytes(b"PK\x03\x04 no zip")
    require_whole_file(path)


def test_finite():
    good = {
        "a": torch.ones(3),
        "count": torch.tensor(3),
        "half": torch.full((9,), 6e4, dtype=torch.float16),  # their sum is Inf
        "large": torch.full((9,), 3e38),
        "nothing": torch.zeros(0),
    }
    require_finite(good, "x")
    for value in (float("nan"), float("inf"), -float("inf")):
        bad = torch.ones(4)
        bad[2] = value
        with pytest.raises(UserError, match=r"x: NaN or Inf in b \(1 tensor\)"):
            require_finite({**good, "b": bad}, "x")
    both = torch.tensor([float("inf"), -float("inf")])
    with pytest.raises(UserError, match=r"in b, c \(2 tensors\)"):
        require_finite({**good, "b": both, "c": both.half()}, "x")


def test_name_some():
    assert name_some("a") == "a (1 tensor)"
    assert name_some("abc") == "a, b, c (3 tensors)"
    assert name_some("abcde") == "a, b, c and 2 more (5 tensors)"
