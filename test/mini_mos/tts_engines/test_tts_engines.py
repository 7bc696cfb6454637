"""The example of TTS engines: what is around the engines; they are not run here."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from espnet2_distilmos.utils.datadir import read_lines, read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from mini_mos import debian
from mini_mos.tts_engines import prepare, voices

TEXT = Path(__file__).parents[3] / "egs2/tts_engines/tts1/local/text"

# Takes what the engines take; writes a wav's worth of bytes.
ENGINE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case $0 in
*festival) sed -n 's/.*"\\(.*\\)" .riff)/\\1/p' | while read -r f; do
    head -c 2000 /dev/zero >"$f"; done ;;
*) while [ $# -gt 0 ]; do
    case $1 in -w | -o) head -c 2000 /dev/zero >"$2" ;; esac; shift; done ;;
esac
"""


def test_sentences_are_what_every_engine_takes():
    texts = read_lines(TEXT, prepare.sentence)
    assert len(texts) == 20
    for bad in ('say "this"', "a; rm -rf", "naïve", "(quit)"):
        with pytest.raises(ValueError):
            prepare.sentence(bad)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Unpacked packages with stand-ins for the engines, and G.722 prompts."""
    root = tmp_path / "downloads/root"
    for name in ("espeak-ng", "festival", "flite"):
        path = root / "usr/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ENGINE)
        path.chmod(0o755)
    (root / "usr/lib/x/espeak-ng-data").mkdir(parents=True)
    sounds = root / "usr/share/asterisk/sounds/en_US_f_Allison"
    sounds.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(8):
        seconds = 1 + i  # of 8000 bytes each
        (sounds / f"p{i}.g722").write_bytes(rng.bytes(8000 * seconds))
    (tmp_path / "downloads/packages.yaml").write_text("flite: '2.2'\n")
    (tmp_path / "text").write_text("a One two.\nb Three four?\n")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_decode_folders_of_all_voices(machine):
    prepare.prepare_tts_engines("text")
    for voice in voices.VOICES:
        folder = Path("exp") / voice.engine / voice.name / "sentences/wav"
        wavs = read_wav_scp(folder / "wav.scp")
        assert list(wavs) == ["a", "b"]
        assert wavs["a"] == f"{folder}/{voice.name}_a.wav"
        assert all(Path(path).stat().st_size == 2000 for path in wavs.values())
    calls = Path("calls").read_text().splitlines()
    assert len([x for x in calls if x.startswith("festival ")]) == 2  # one a voice
    assert sum(x.startswith("flite -voice slt -t ") for x in calls) == 2
    prompts = read_wav_scp("exp/human/asterisk_en/prompts/wav/wav.scp")
    assert len(prompts) == 2
    # 2.5 to 6 s: p2 (3 s) to p5 (6 s).
    assert set(prompts) <= {f"en_US_f_Allison_p{i}" for i in range(2, 6)} | {
        f"p{i}" for i in range(2, 6)
    }
    prepare.prepare_tts_engines("text")  # whole: nothing is made again
    assert Path("calls").read_text().splitlines() == calls
    Path("text").write_text("a One two.\nb Three five?\n")
    prepare.prepare_tts_engines("text")
    assert len(Path("calls").read_text().splitlines()) == 2 * len(calls)


def test_an_engine_that_fails_is_named(machine):
    flite = machine / "downloads/root/usr/bin/flite"
    flite.write_text("#!/bin/sh\necho broken voice >&2\nexit 3\n")
    with pytest.raises(UserError, match="flite: broken voice"):
        prepare.prepare_tts_engines("text")
    flite.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(UserError, match="flite awb: no speech for 'One two.'"):
        prepare.prepare_tts_engines("text")
    assert not Path("exp/flite/awb/sentences/wav/engine.yaml").exists()


def test_packages_with_what_they_need(tmp_path, monkeypatch):
    """apt is asked what is missing; without package lists, with lists of our own."""
    calls = []

    def run(command, cwd):
        calls.append(command)
        fails = "Dir::State::Lists" not in " ".join(command)
        said = "Inst libx (1 Debian)\nInst flite (2 Debian)\nConf libx\n"
        return subprocess.CompletedProcess(command, 100 if fails else 0, said, "E: no")

    monkeypatch.setattr(debian, "run", run)
    debian.download(["flite"], tmp_path, "it", "do that", dependencies=True)
    assert calls[-1][-3:] == ["download", "flite", "libx"]
    assert [c for c in calls if "update" in c]
    with pytest.raises(UserError, match="it cannot be downloaded: no; do that"):
        monkeypatch.setattr(
            debian,
            "run",
            lambda c, cwd: subprocess.CompletedProcess(c, 100, "", "E: no"),
        )
        debian.download(["flite"], tmp_path, "it", "do that", dependencies=True)


def test_without_apt_one_line_says_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "have_programs", lambda *names: False)
    (tmp_path / "text").write_text("a One two.\n")
    with pytest.raises(UserError, match="no apt-get and dpkg-deb here .* Debian"):
        prepare.prepare_tts_engines(
            tmp_path / "text", tmp_path / "exp", tmp_path / "downloads"
        )
