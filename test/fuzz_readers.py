#!/usr/bin/env python3
"""Coverage-guided fuzzing, by atheris (libFuzzer), of everything that reads a file.

    python test/fuzz_readers.py [--targets yaml zip] [--seconds 60] [-runs=1000 -seed=1]

Each target of readers.py has a process and so many seconds; further options are those
of libFuzzer. A target ends with the first input that makes its reader fail: the bytes
are kept (--keep DIR), the traceback is in the output, and the exit code is 1.
"""

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path

import readers

SPAWN = multiprocessing.get_context("spawn")


def fuzz(name: str, folder: Path, options: list) -> None:
    """Fuzz one target; does not return. `folder` holds the file and the seeds."""
    import atheris

    with atheris.instrument_imports(include=readers.WATCHED):
        target = readers.targets()[name]
        for seed in target.seeds:  # what a reader imports when it is called
            readers.attempt(target, seed, folder)

    def attempt(content: bytes) -> None:
        wrong = readers.attempt(target, content, folder)
        if wrong:
            raise AssertionError(wrong)

    atheris.Setup([sys.argv[0], *options], attempt)
    atheris.Fuzz()


def prepare(name: str, folder: Path) -> list:
    """Write the seeds and the words of a target; return them as options."""
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    for i, seed in enumerate(readers.targets()[name].seeds):
        (corpus / str(i)).write_bytes(seed)
    escaped = ("".join(f"\\x{b:02x}" for b in w) for w in readers.WORDS if len(w) < 64)
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    return [f"-dict={words}", "-max_len=20000", str(corpus)]


def main() -> int:
    names = list(readers.targets())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="+", choices=names, default=names)
    parser.add_argument("--seconds", type=int, default=20, help="a target")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_findings"))
    args, more = parser.parse_known_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in args.targets:
        options = [f"-max_total_time={args.seconds}", *more]
        options.append(f"-artifact_prefix={args.keep.absolute() / name}.")
        with tempfile.TemporaryDirectory() as folder:
            options += prepare(name, Path(folder))
            # A process of its own: libFuzzer ends the one it runs in.
            fuzzer = SPAWN.Process(target=fuzz, args=(name, Path(folder), options))
            fuzzer.start()
            fuzzer.join()
        if fuzzer.exitcode:
            failed.append(name)
    print(f"failed: {' '.join(failed) or 'none'} of {len(args.targets)} targets")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
