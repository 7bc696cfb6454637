#!/usr/bin/env python3
"""Coverage-guided fuzzing of everything that reads a file.

    python test/fuzz_readers.py --seconds 300 [--seed N] [--targets yaml zip]

A reader may return or raise UserError with one line; anything else is a finding: its
bytes are kept (--keep DIR), and the exit code is 1. Inputs that reach a new line of
Python (this package's, PyYAML's, csv's, json's, zipfile's, numpy's) are mutated
further. Lines are seen with sys.monitoring, each once, so it costs next to nothing.
"""

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from tiny_ctranslate2 import model_bin

from espnet2_distilmos.utils.errors import UserError

WATCHED = ("espnet2_distilmos", "yaml", "csv.py", "json", "zipfile", "numpy/lib")
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
    from espnet2_distilmos.utils.files import read_array

    assert np.isfinite(read_array(path)).all()


def _config(path) -> None:
    from espnet2_distilmos.bin.distilmos_inference import get_parser
    from espnet2_distilmos.utils.command import parse_with_config

    needed = ["--output_dir", "o", "--data_path_and_name_and_type", "a,speech,sound"]
    needed += ["--model_file", "m"]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        parse_with_config(get_parser(), [*needed, "--config", str(path)])


def targets() -> dict:
    """Name -> target; nothing that needs torch."""
    from espnet2_distilmos.corpora import tables
    from espnet2_distilmos.corpora.own_csv.table import read_table
    from espnet2_distilmos.model.upstream.ctranslate2 import read_ctranslate2
    from espnet2_distilmos.packs.folder import model_in
    from espnet2_distilmos.tts.evaluate import read_stamp
    from espnet2_distilmos.tts.merge import _read_rows
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
            _read_provenance, [b"n_clusters: 8\nlayers: [1]\nupstream: {a: b}\n"]
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
        "scores": Target(_score_sets, [scores]),
        "npy": Target(_array, [npy.getvalue()]),
        "zip": Target(_unpack, [archive.getvalue()]),
        "ctranslate2": Target(
            lambda path: read_ctranslate2(path, "WhisperSpec", "encoder/"),
            [model_bin({"encoder/a": np.ones((2, 3), "f2"), "b": np.int8(1)})],
        ),
        "audio": Target(_audio, sounds),
    }


def _read_provenance(path) -> None:
    from espnet2_distilmos.tokens.provenance import read_provenance

    read_provenance(path)


def mutate(rng: random.Random, pool: list) -> bytes:
    """Something between two inputs, with a few bytes and words changed."""
    content = bytearray(rng.choice(pool))
    for _ in range(1 + rng.randrange(4)):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(7)
        if kind == 0 and content:
            content[place - 1] ^= 1 << rng.randrange(8)
        elif kind == 1 and content:
            content[place - 1] = rng.randrange(256)
        elif kind == 2:
            del content[place : place + rng.randrange(1, 20)]
        elif kind == 3:
            part = content[place : place + rng.randrange(1, 30)]
            content[place:place] = part * rng.randrange(1, 4)
        elif kind == 4:
            other = rng.choice(pool)
            content[place:] = other[rng.randrange(len(other) + 1) :]
        else:
            word = rng.choice(WORDS)
            content[place : place + rng.choice((0, len(word)))] = word
    return bytes(content[:20000])


@contextlib.contextmanager
def new_lines() -> Iterator[list]:
    """A list that grows whenever a watched line runs for the first time."""
    seen: list = []
    monitoring, tool = sys.monitoring, sys.monitoring.COVERAGE_ID

    def line(code, number):
        if any(part in code.co_filename for part in WATCHED):
            seen.append((code.co_filename, number))
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "fuzz_readers")
    monitoring.register_callback(tool, monitoring.events.LINE, line)
    monitoring.set_events(tool, monitoring.events.LINE)
    try:
        yield seen
    finally:
        monitoring.set_events(tool, 0)
        monitoring.restart_events()
        monitoring.free_tool_id(tool)


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


@dataclass
class Found:
    """What a run has found.

    Attributes:
        executions: target -> inputs tried.
        lines: number of lines of Python that were reached.
        findings: (target, content, traceback), one a place in the code.
    """

    executions: dict = field(default_factory=dict)
    lines: int = 0
    findings: list = field(default_factory=list)


def fuzz(
    names=None, seconds: float = 1e9, executions: int = 1 << 60, seed: int = 0
) -> Found:
    """Fuzz targets in turn: so many inputs each, or so many seconds in all."""
    all_targets = targets()
    names = list(names or all_targets)
    rng = random.Random(seed)
    found, places = Found(), set()
    pools = {name: list(all_targets[name].seeds) for name in names}
    found.executions = dict.fromkeys(names, 0)
    end = time.monotonic() + seconds
    # In memory where there is such a place: one small file after the other.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, new_lines() as seen:
        folder = Path(folder)
        while time.monotonic() < end and min(found.executions.values()) < executions:
            for name in names:
                target, pool = all_targets[name], pools[name]
                for _ in range(20):
                    count = found.executions[name]
                    # The seeds themselves first.
                    content = pool[count] if count < len(target.seeds) else None
                    content = content or mutate(rng, pool)
                    before = len(seen)
                    wrong = attempt(target, content, folder)
                    found.executions[name] += 1
                    if len(seen) > before and not wrong:
                        pool.append(content)
                    place = (name, wrong[-300:])
                    if wrong and place not in places:
                        places.add(place)
                        found.findings.append((name, content, wrong))
        found.lines = len(set(seen))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=list(targets()))
    parser.add_argument("--keep", type=Path, default=Path("fuzz_findings"))
    args = parser.parse_args()
    found = fuzz(args.targets, args.seconds, seed=args.seed)
    for name, count in found.executions.items():
        print(f"{name:12} {count:8} executions")
    print(
        f"{sum(found.executions.values())} executions, {found.lines} lines reached, "
        f"{len(found.findings)} findings"
    )
    for number, (name, content, wrong) in enumerate(found.findings):
        args.keep.mkdir(exist_ok=True)
        (args.keep / f"{name}.{number}").write_bytes(content)
        print(f"--- {args.keep / f'{name}.{number}'}\n{wrong}")
    return int(bool(found.findings))


if __name__ == "__main__":
    sys.exit(main())
