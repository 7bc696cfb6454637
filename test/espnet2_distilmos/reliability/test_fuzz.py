"""Readers and metrics under made-up input of hypothesis. What was found is kept as
cases; test/fuzz_readers.py goes on for longer, guided by coverage."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import readers
from hypothesis import given
from hypothesis import strategies as st
from made_words import QUICK, WORD

from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_ratings,
    read_wav_scp,
    read_words,
    write_lines,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml

TARGETS = readers.targets()


@pytest.fixture(autouse=True, scope="module")
def cache():
    """The target `zip` sets it."""
    before = os.environ.get("DISTILMOS_CACHE")
    yield
    os.environ.pop("DISTILMOS_CACHE", None)
    if before is not None:
        os.environ["DISTILMOS_CACHE"] = before


def around(target):
    """Bytes near a good file: pieces of it, and pieces that break readers."""
    pieces = [*readers.WORDS]
    for seed in TARGETS[target].seeds:
        pieces += [seed, *seed.splitlines(keepends=True), *seed.split()]
    mixed = st.lists(st.sampled_from(pieces) | st.binary(max_size=8), max_size=12)
    return mixed.map(b"".join) | st.binary(max_size=60)


LONG = b"c" * 5000  # OSError: too long a name
MANY = b"0" * 400  # as a whole number more than a float can hold
# A FLAC that promises 400 samples and has none; soundfile's blocks() made 400 of it, of
# what was in the memory before.
PROMISES = bytes.fromhex(
    "664c6143000000221000100000000d00000d02e800f00000019003ba08b5b65087c7169841db"
    "668b096084000028200000007265666572656e6365206c69627c4c414320312e342e32330000"
    "0000fff8750800018f46000e39f7bb"
)
# Inputs that broke a reader, or nearly: reader and content.
FINDINGS = [
    ("yaml", b"a: 2026-13-40"),  # ValueError of a date
    ("yaml", b"!!bool x"),  # KeyError
    ("yaml", b"!!timestamp x"),  # AttributeError
    ("yaml", b"a: !!int x"),  # ValueError
    ("yaml", b"a: 0x_"),  # ValueError
    ("yaml", b"a: " + b"1" * 5000),  # ValueError: too many digits
    ("yaml", b"[" * 2000),  # RecursionError
    ("yaml", b"? [a]\n: b"),
    ("upstream", b"upstream: x\n1: 2\nnull: 3\n"),  # TypeError in a join
    ("config", b"1: 2"),  # likewise
    ("config", b"ngpu: [1]"),
    ("meta", b"yaml_files: {train_config: 1}\nfiles: {model_file: 2}\n"),  # TypeError
    ("stamp", b"request: {}\nmodel: m\nfailed: {}\n"),  # KeyError
    ("jsonl", b"[]\n"),  # TypeError
    ("jsonl", b'{"key": "a", "distilmos": NaN}\n'),
    ("scores", b"[" * 100000),  # RecursionError
    ("csv", b"wav,mos\na\0,3\n"),
    ("npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}"),
    ("zip", b"PK\x05\x06" + b"\xff" * 18),
    ("meta", b"yaml_files: {train_config: %b}\nfiles: {model_file: m}\n" % LONG),
    ("jsonl", b'{"key": "a", "distilmos": 1%b}\n' % MANY),  # OverflowError
    ("scores", TARGETS["scores"].seeds[0].replace(b"0.5", b"1" + MANY, 1)),  # likewise
    ("yaml", b"a: 1" + b":1" * 200 + b".5"),  # likewise: base 60
    ("audio", PROMISES),
]


@pytest.mark.parametrize("target, content", FINDINGS)
def test_what_was_found_stays_mended(tmp_path, target, content):
    assert readers.attempt(TARGETS[target], content, tmp_path) == ""


def test_samples_that_are_promised_are_not_made_up(tmp_path):
    from espnet2_distilmos.inference.audio import AudioFile
    from espnet2_distilmos.utils.audio import read_audio

    (tmp_path / "x.flac").write_bytes(PROMISES)
    for read in (lambda path: AudioFile(path).samples(), read_audio):
        with pytest.raises(UserError, match="x.flac: cut off, 0 of 400 samples"):
            read(tmp_path / "x.flac")


@pytest.mark.parametrize("target", TARGETS)
def test_readers_return_or_refuse_in_one_line(target, tmp_path_factory):
    folder = tmp_path_factory.mktemp(target)

    @QUICK
    @given(around(target))
    def check(content):
        assert readers.attempt(TARGETS[target], content, folder) == ""

    check()


def test_a_refusal_names_the_file(tmp_path):
    path = tmp_path / "the_file"

    @QUICK
    @given(
        st.sampled_from([read_floats, read_words, read_wav_scp, read_ratings]),
        around("utt2ratings") | around("scp"),
    )
    def check(read, content):
        path.write_bytes(content)
        try:
            values = read(path)
        except UserError as e:
            assert str(path) in str(e)
            return
        # Accepted: every line is there, in order, and no value is not a number.
        ids = [line.split()[0] for line in path.read_text("utf-8").split("\n") if line]
        assert list(values) == ids == sorted(ids, key=str.encode)
        if read is read_floats:
            assert np.isfinite(list(values.values())).all()

    check()


SCORE = st.floats(-1e5, 1e5).map(lambda x: round(x, 6) + 0.0)


def test_what_is_written_is_read(tmp_path):
    @QUICK
    @given(st.dictionaries(WORD, SCORE, min_size=1), WORD)
    def check(values, word):
        write_lines(tmp_path / "x", values)
        assert read_floats(tmp_path / "x") == pytest.approx(values, abs=1e-6)
        write_lines(tmp_path / "x", dict.fromkeys(values, word))
        assert read_words(tmp_path / "x") == dict.fromkeys(values, word)

    check()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORD,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(WORD, x, max_size=3),
    max_leaves=8,
)


def test_yaml_that_is_written_is_read(tmp_path):
    @QUICK
    @given(st.dictionaries(WORD, PLAIN))
    def check(values):
        write_yaml(tmp_path / "x", values)
        assert read_yaml(tmp_path / "x") == values

    check()


# --- the fuzzer itself


READERS = """
from traceback import format_exc
from types import SimpleNamespace

WATCHED, WORDS = ["fragile"], [b"nan"]

def targets():
    import fragile
    reads = {"fragile": fragile.read, "sound": len}
    return {n: SimpleNamespace(read=r, seeds=[b"..."]) for n, r in reads.items()}

def attempt(target, content, folder):
    try:
        target.read(content)
    except KeyError:
        return format_exc()
"""
FRAGILE = """
def read(content):
    if content[:1] == b"{":
        if content[1:2] == b"}":
            if content[2:3] == b"!":
                raise KeyError("deep")
"""


def test_the_fuzzer_finds_what_only_guidance_reaches(tmp_path):
    """A reader that fails behind three bytes, each of which is a line of its own."""
    pytest.importorskip("atheris", reason="it has wheels for x86-64 Linux alone")
    (tmp_path / "readers.py").write_text(READERS)
    (tmp_path / "fragile.py").write_text(FRAGILE)
    shutil.copy(Path(readers.__file__).with_name("fuzz_readers.py"), tmp_path)
    done = subprocess.run(
        [sys.executable, "fuzz_readers.py", "-runs=200000", "-seed=1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "failed: fragile of 2 targets" in done.stdout
    assert "KeyError: 'deep'" in done.stdout + done.stderr
    (found,) = (tmp_path / "fuzz_findings").iterdir()
    assert found.read_bytes()[:3] == b"{}!"


def test_yaml_has_no_python_objects(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(UserError, match="not valid YAML"):
        read_yaml(path)
