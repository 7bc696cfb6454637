"""Everything that reads a file, for tests that hand it made-up bytes.

A reader may return or raise UserError with one line; anything else is a fault.
"""

import contextlib
import io
import os
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from listening_tests import with_part, workbook
from tiny_ctranslate2 import model_bin

from espnet2_distilmos.utils.errors import UserError

# Modules whose lines guide the fuzzer.
WATCHED = ["espnet2_distilmos", "yaml", "csv", "json", "zipfile", "numpy.lib"]
# What readers look for, and what breaks them.
WORDS = [
    *(b"\n", b"\r\n", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9"),
    *(b"nan", b"inf", b"-1", b"1e999", b"1_0", b"0x", b"3,5", b"n/a", b"\xd9\xa3"),
    *(b"!!python/object:os.system ", b"!!bool x", b"!!timestamp x", b"&a ", b"*a"),
    *(b"2026-13-40", b"<<: ", b"? [", b"{", b"}", b"[" * 99, b"]", b": ", b"- "),
    *(b'"', b"'", b"null", b"true", b"|", b"..", b"/", b"request", b"1" * 5000),
    *(b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"PK\x03\x04", b"PK\x01\x02"),
    *(b"\xe2\x80\xa8", b"\x1c", b"\x85", b"L1:4", b":", b"-"),
]


@dataclass
class Target:
    """A reader of a file.

    Attributes:
        read: gets the path.
        seeds: good contents.
        name: of the file.
    """

    read: Callable
    seeds: list
    name: str = "file"


def _score_sets(path) -> None:
    from espnet2_distilmos.report.rows import read_scores
    from espnet2_distilmos.report.tables import scores_table

    scores_table(read_scores(path))


def _upstream(path) -> None:
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.utils.files import read_yaml

    UpstreamConfig.from_dict(read_yaml(path), str(path))


def _unpack(path) -> None:
    from espnet2_distilmos.packs.folder import unpack

    cache = path.parent / "cache"
    os.environ["DISTILMOS_CACHE"] = str(cache)
    folder = unpack(path)
    for file in folder.rglob("*"):
        assert file.resolve().is_relative_to(folder.resolve()), file


def _audio(path) -> None:
    from espnet2_distilmos.inference.audio import AudioFile
    from espnet2_distilmos.utils.audio import read_audio

    # A header may promise hours: that is read block by block, and no test of a reader.
    audio = AudioFile(path)
    if audio.seconds * audio.rate * audio.channels < 1e6:
        assert np.isfinite(audio.samples()).all()
        read_audio(path)


def _array(path) -> None:
    from espnet2_distilmos.utils.arrays import read_array

    assert np.isfinite(read_array(path)).all()


def _sheet(path) -> None:
    """The bytes are a sheet's, since few would get past the zip's checksums."""
    from espnet2_distilmos.corpora.workbook import read_sheets

    book = workbook({"s": [["x"], ["y"]]})
    book = with_part(book, "xl/worksheets/sheet3.xml", path.read_bytes())
    (path.parent / "book.xlsx").write_bytes(book)
    read_sheets(path.parent / "book.xlsx", ("x",), ["s"])


def _config(path) -> None:
    from espnet2_distilmos.bin.distilmos_inference import get_parser
    from espnet2_distilmos.utils.command import parse_with_config

    needed = ["--output_dir", "o", "--data_path_and_name_and_type", "a,speech,sound"]
    needed += ["--model_file", "m"]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        parse_with_config(get_parser(), [*needed, "--config", str(path)])


def targets() -> dict:
    """Return name -> target; importing none of them needs torch."""
    from espnet2_distilmos.corpora import tables
    from espnet2_distilmos.corpora.own_csv.table import read_table
    from espnet2_distilmos.model.upstream.ctranslate2 import read_ctranslate2
    from espnet2_distilmos.packs.folder import model_in
    from espnet2_distilmos.tokens.provenance import read_provenance
    from espnet2_distilmos.tts.merge import _read_rows
    from espnet2_distilmos.tts.results import read_stamp
    from espnet2_distilmos.utils import datadir
    from espnet2_distilmos.utils.files import read_yaml

    npy, archive = io.BytesIO(), io.BytesIO()
    sounds = []
    for form in ("WAV", "FLAC", "RF64", "W64", "AU", "AIFF", "CAF", "OGG", "MP3"):
        sound = io.BytesIO()
        n = 40 if form == "WAV" else 400
        soundfile.write(sound, np.ones(n) / 9, 16000, format=form)
        sounds.append(sound.getvalue())
    np.save(npy, np.ones((2, 3), np.float32))
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("config.yaml", "a: b")
        z.writestr("model.pth", "y" * 50, zipfile.ZIP_DEFLATED)
    figure = b'{"value": 0.5, "ci95": [0.1, 0.9]}'
    level = b'{"mse": %b, "lcc": %b, "srcc": %b, "ktau": %b}' % ((figure,) * 4)
    scores = b'{"n_utt": 2, "n_sys": 1, "utt": %b, "sys": %b, "within_sys": %b, '
    scores = scores % ((level,) * 3) + (
        b'"n_sys_within": {"mse": 1, "lcc": 1, "srcc": 1, "ktau": 1}, '
        b'"bootstrap": {"n": 9, "seed": 0, "level": 0.95}}'
    )
    return {
        "scp": Target(datadir.read_wav_scp, [b"a x.wav\nb y z.wav\n"]),
        "utt2mos": Target(datadir.read_floats, [b"a 3.25\nb -1e0\n"]),
        "utt2sys": Target(datadir.read_words, [b"a s1\nb s2\n"]),
        "utt2ratings": Target(datadir.read_ratings, [b"a L1:4 L2:3\nb -\n"]),
        "yaml": Target(read_yaml, [b"a: [1, 2.5, {b: c}]\nd: &x e\nf: *x\n"]),
        "provenance": Target(
            read_provenance, [b"n_clusters: 8\nlayers: [1]\nupstream: {a: b}\n"]
        ),
        "upstream": Target(
            _upstream,
            [b"upstream: fbank\nlayers: [1]\nrandom_init: {seed: 1, config: {}}\n"],
        ),
        "config": Target(_config, [b"ngpu: 1\nbatch_seconds: 2.5\nlog_level: INFO\n"]),
        "meta": Target(
            lambda path: model_in(path.parent),
            [b"yaml_files: {train_config: c}\nfiles: {model_file: m}\n"],
            "meta.yaml",
        ),
        "stamp": Target(
            read_stamp,
            [
                b"request: {audio: x, config_sha256: y, model_sha256: z}\n"
                b"model: m\nfailed: {}\n"
            ],
        ),
        "jsonl": Target(_read_rows, [b'{"key": "a", "distilmos": 3.5}\n']),
        "csv": Target(
            read_table, [b"wav,mos,system,split\na.wav,3,s,train\n", b"wav;mos\na;1\n"]
        ),
        "table": Target(
            lambda path: tables.read_table(path, needed=["a"]), [b'a,b\n1,"2"\n']
        ),
        "sheet": Target(
            _sheet,
            [
                b'<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row>'
                b'<row><c r="A2" t="inlineStr"><is><t>z</t></is></c></row></sheetData>'
                b"</worksheet>"
            ],
        ),
        "scores": Target(_score_sets, [scores]),
        "npy": Target(_array, [npy.getvalue()]),
        "zip": Target(_unpack, [archive.getvalue()]),
        "ctranslate2": Target(
            lambda path: read_ctranslate2(path, "WhisperSpec", "encoder/"),
            [model_bin({"encoder/a": np.ones((2, 3), "f2"), "b": np.int8(1)})],
        ),
        "audio": Target(_audio, sounds),
    }


def attempt(target: Target, content: bytes, folder: Path) -> str:
    """Read `content`; returns what is wrong with how it went, or nothing."""
    path = folder / target.name
    path.write_bytes(content)
    try:
        target.read(path)
    except UserError as e:
        if "\n" in str(e) and b"\n" not in content:
            return f"an error of several lines: {e}"
    except (Exception, RecursionError):
        return traceback.format_exc()
    return ""
