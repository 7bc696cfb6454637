"""Stamps: whole, of another request, interrupted."""

import json
import logging
import os
import shutil

import pytest

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.stamp import (
    differences,
    fingerprint,
    is_whole,
    quick_look,
    write_stamp,
)

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


def test_differences_are_named(tmp_path):
    old = {"a": {"b": 1, "c": "0" * 64}, "gone": 1, "same": [1, {"x": None}]}
    new = {"a": {"b": 2, "c": "1" * 64}, "new": "x" * 99, "same": [1, {"x": None}]}
    assert differences(old, new) == [
        *("a b 1 -> 2", "a c", "gone 1 -> none"),
        f"new none -> {'x' * 57}...",
    ]
    assert differences(old, old) == []
    assert differences({"a": {"b": 1}}, {"a": 1}, "of") == ["of a {'b': 1} -> 1"]


def test_json_is_its_own_stamp(tmp_path):
    stamp = tmp_path / "scores.json"
    write_stamp(stamp, REQUEST, n_utt=3)
    assert json.loads(stamp.read_text()) == {"request": REQUEST, "n_utt": 3}
    assert is_whole(stamp, REQUEST)


def test_a_first_look_and_the_content(tmp_path):
    """The same size and date, other bytes; and a copy elsewhere."""
    path, copied = tmp_path / "a.wav", tmp_path / "b.wav"
    path.write_text("one")
    looks, content = quick_look({"u": str(path)}), fingerprint({"u": str(path)})
    assert quick_look({"u": str(path)}) == looks
    stat = path.stat()
    path.write_text("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert quick_look({"u": str(path)}) != looks
    assert fingerprint({"u": str(path)}) != content
    path.write_text("one")
    shutil.copy2(path, copied)
    assert fingerprint({"u": str(copied)}) == content
    assert fingerprint({"v": str(copied)}) != content
    # What cannot be read is told by those who need it.
    for name in ("gone.wav", "a\0.wav"):
        assert fingerprint({"u": name}) != content and quick_look({"u": name}) != looks
