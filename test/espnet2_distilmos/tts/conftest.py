"""A folder that a TTS recipe has decoded."""

import pytest


@pytest.fixture
def decoded(tmp_path, tools):
    """A wav folder with a list: IDs unlike file names, three rates."""
    folder = tmp_path / "dev/wav"
    ids = {}
    for i, rate in enumerate((24000, 48000, 16000, 24000)):
        path = tools.wav(folder / f"gen_{i}.wav", 0.5 + 0.2 * i, rate, seed=i)
        ids[f"LJ-{3 - i}"] = path
    lines = [f"{utt} {ids[utt]}\n" for utt in sorted(ids)]
    (folder / "wav.scp").write_text("".join(lines))
    return folder
