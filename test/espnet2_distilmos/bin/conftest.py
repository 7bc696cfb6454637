"""Clips to score."""

import pytest


@pytest.fixture(scope="module")
def clip(tmp_path_factory, tools):
    return tools.wav(tmp_path_factory.mktemp("light") / "clip.wav", 0.5)


@pytest.fixture(scope="module")
def wavs(tmp_path_factory, tools):
    """Two folders, several rates and channels, one clip longer than a window."""
    root = tmp_path_factory.mktemp("wavs") / "tts"
    tools.wav(root / "a" / "1.wav", 1.0)
    tools.wav(root / "a" / "2.flac", 0.5, 24000, seed=1, channels=2)
    tools.wav(root / "b" / "x y.wav", 21.0, seed=2)
    (root / "a" / "notes.txt").write_text("no audio")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "0.wav").write_text("no audio")
    return root
