"""Stamps: whole, of another request, interrupted."""

import logging

import pytest

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.stamp import is_whole, write_stamp

REQUEST = {"seed": 1, "files": {"a": "0f"}, "share": None, "layers": [1, 2]}


def test_same_request(tmp_path, caplog):
    stamp = tmp_path / "out/x.yaml"
    assert not is_whole(stamp, REQUEST)
    write_stamp(stamp, REQUEST, n_frames=3)
    with caplog.at_level(logging.INFO):
        assert is_whole(stamp, dict(reversed(REQUEST.items())))
    assert f"{tmp_path}/out: already whole, nothing to do" in caplog.text
    assert read_yaml(stamp) == {"request": REQUEST, "n_frames": 3}


@pytest.mark.parametrize("change", [{"seed": 2}, {"more": 1}, {"layers": [1]}])
def test_another_request_ends_the_old_stamp(tmp_path, change, caplog):
    """Else an interrupted second making would pass for the first one, whole."""
    stamp = tmp_path / "x.yaml"
    write_stamp(stamp, REQUEST)
    with caplog.at_level(logging.INFO):
        assert not is_whole(stamp, {**REQUEST, **change})
    assert "made from something else, making it again" in caplog.text
    assert not is_whole(stamp, REQUEST)


def test_a_broken_stamp_is_named(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(UserError, match="x.yaml: not valid YAML"):
        is_whole(tmp_path / "x.yaml", REQUEST)
