"""Files below a folder: links, hidden ones, folders that cannot be read."""

import logging
import os

import pytest

from espnet2_distilmos.utils import search
from espnet2_distilmos.utils.search import find_audio


@pytest.fixture
def tree(tmp_path):
    for name in ("top/a/1.wav", "top/a/notes.txt", "store/b/2.FLAC", "store/c/3.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_links_are_followed_once(tree):
    top = tree / "top"
    (top / "a0").symlink_to("a")  # by name before what it leads to
    (top / "b").symlink_to("../store/b")
    (top / "again").symlink_to("../store/b")
    (top / "a/loop").symlink_to("..")
    (top / "self.wav").symlink_to("self.wav")
    (top / "gone").symlink_to("nowhere")
    (top / "one.mp3").symlink_to("../store/c/3.mp3")
    found = find_audio(top)
    # Not a0/1.wav; links to files are clips of their own, also those that lead nowhere:
    # whoever reads them says so.
    assert found.files == ["a/1.wav", "again/2.FLAC", "one.mp3", "self.wav"]
    assert found.passed_over == {"links that lead nowhere": ["gone"]}
    assert find_audio(top, links=False).files == ["a/1.wav", "one.mp3", "self.wav"]


def test_hidden_files_are_counted_as_what_they_are(tree, caplog):
    top = tree / "top"
    for name in ("a/._1.wav", "a/.DS_Store", ".cache/x.wav", "a/.x.mp3", ".git/y.wav"):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_bytes(b"")
    found = find_audio(top)
    assert found.files == ["a/1.wav"]
    assert {k: sorted(v) for k, v in found.passed_over.items()} == {
        "hidden folders": [".cache", ".git"],
        "hidden files": ["a/._1.wav", "a/.x.mp3"],
    }
    with caplog.at_level(logging.INFO):
        found.tell()
    assert f"{top}: passed over, hidden files: 2 (a/._1.wav, a/.x.mp3)" in caplog.text
    assert f"{top}: passed over, hidden folders: 2 (.cache, .git)" in caplog.text


def test_folders_that_cannot_be_read_are_told(tree, caplog, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("top/a"):  # root may read everything
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(search.os, "scandir", scandir)
    (tree / "top/b").symlink_to("../store/b")
    found = find_audio(tree / "top")
    assert found.files == ["b/2.FLAC"]
    found.tell()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "folders that cannot be read (permission denied): 1 (a)" in record.message
