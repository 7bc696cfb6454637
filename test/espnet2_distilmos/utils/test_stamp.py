"""Stamps: whole, of another request, interrupted."""

import json
import logging
import os
import shutil

import pytest

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, sha256_file, write_yaml
from espnet2_distilmos.utils.stamp import (
    audio_request,
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


def test_audio_is_known_by_its_samples_wherever_it_lies(tmp_path):
    def folder(name, **stamp):
        made = tmp_path / name
        made.mkdir()
        (made / "wav.scp").write_text(f"u /{name}/u.wav\n")
        (made / "utt2num_samples").write_text("u 160\n")
        if stamp:
            scp = {"wav_scp_sha256": sha256_file(made / "wav.scp")}
            write_stamp(made / "format.yaml", {}, **scp, **stamp)
        return made

    a, b = folder("a", audio_sha256="one"), folder("b", audio_sha256="one")
    assert audio_request(a) == audio_request(b)
    assert audio_request(folder("c", audio_sha256="two")) != audio_request(a)
    (b / "utt2num_samples").write_text("u 170\n")
    assert audio_request(b) != audio_request(a)
    levelled = {**read_yaml(a / "format.yaml"), "request": {"level_db": -26.0}}
    write_yaml(a / "format.yaml", levelled)
    assert audio_request(a)["level_db"] == -26.0
    # Edited since, of an earlier version, of nobody: the paths are all that is known.
    (a / "wav.scp").write_text("u /elsewhere/u.wav\n")
    edited = {"wav_scp_sha256": sha256_file(a / "wav.scp")}
    assert audio_request(a) == {**edited, "audio_sha256": "one"}
    write_stamp(a / "format.yaml", {}, audio_sha256="one")
    assert audio_request(a) == {**edited, "audio_sha256": "one"}
    plain = folder("d")
    scp = sha256_file(plain / "wav.scp")
    assert audio_request(plain) == {"wav_scp_sha256": scp}
    with pytest.raises(UserError, match="wav.scp: cannot be read"):
        audio_request(tmp_path)


def test_a_checkpoint_is_read_once_as_long_as_it_stays(tmp_path, monkeypatch):
    from espnet2_distilmos.utils import stamp

    read = []
    monkeypatch.setattr(
        stamp, "sha256_file", lambda path: read.append(path) or sha256_file(path)
    )
    path = tmp_path / "up.pt"
    path.write_text("weights")
    first = stamp.checkpoint_sha256(str(path))
    assert stamp.checkpoint_sha256(str(path)) == first and len(read) == 1
    path.write_text("other weights")
    assert stamp.checkpoint_sha256(str(path)) != first and len(read) == 2
