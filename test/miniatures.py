#!/usr/bin/env python3
"""Miniatures of the published corpora: their folders, file names, headers, forms of ID
and traps, with a few dozen short clips. Labels follow the noise that is added, so that
there is something to learn; they are nobody's ratings.

    python test/miniatures.py bvcc DIR [--speech_dir SPEECH]
    BVCC=DIR egs2/bvcc/distilmos1/run.sh ...
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from listening_tests import codec_mushra, p835
from miniature_maker import Maker, System, systems

SILENT = "sys4bafa-uttc2e86f6"
NISQA_HEADER = (
    "db,con,file,con_description,filename_deg,filename_ref,source,lang,votes,mos,noi,"
    "col,dis,loud,noi_std,col_std,dis_std,loud_std,mos_std,filepath_deg,filepath_ref"
).split(",")


def _listener(n: int, i: int) -> str:
    ages, genders = ("20-29", "30-39", "40-49"), ("Female", "Male", "Others")
    name = hashlib.sha256(f"listener{i}".encode()).hexdigest()[:12]
    return f"{{}}_{ages[i % 3]}_{name}_{genders[n % 3]}_Valid_1_{('No', 'Yes')[n % 2]}"


def _challenge(make: Maker, data: str, plan, listener: Callable, suffix: str) -> None:
    """One track of VoiceMOS 2022; `plan`: set -> (lists, ratings, systems, clips)."""
    means: dict[str, list[float]] = {}
    for split, (lists, ratings, of_set, n) in plan.items():
        mos_rows, rating_rows = [], []
        for k in range(n):
            system = of_set[k % len(of_set)]
            sys_id = system.tag("sys", 5)
            utt = f"{sys_id}-{System(k, 0).tag(f'utt{split}', 7).replace(split, '')}"
            if split == "train" and k == 0 and "main" in data:
                sys_id, utt = SILENT.split("-")[0], SILENT
            make.wav(f"{data}/wav/{utt}.wav", system, level=-26)
            scores = [make.score(system) for _ in range(8)]
            mos = sum(scores) / 8
            mos_rows.append((f"{utt}.wav", mos))
            rating_rows += [
                (
                    sys_id,
                    utt + suffix,
                    s,
                    f"VDP1ovyrBzg8_{k}",
                    listener(i, (k + i) % 11),
                )
                for i, s in enumerate(scores)
            ]
            if split != "test":
                means.setdefault(sys_id, []).append(mos)
        make.rng.shuffle(mos_rows)
        make.table(f"{data}/sets/{lists}", mos_rows)
        make.table(f"{data}/sets/{ratings}", rating_rows)
    # Not of the test set, which may have these systems too.
    averages = [(s, np.mean(m)) for s, m in sorted(means.items())]
    make.table(f"{data}/mydata_system.csv", averages, ("system_ID", "mean"))


def bvcc(make: Maker, layout: str = "main") -> None:
    """BVCC; `layout` main, or phase1-main, which has no test set."""
    all_systems = systems(12)
    plan = {
        "train": ("train_mos_list.txt", "TRAINSET", all_systems[:10], 31),
        "val": ("val_mos_list.txt", "DEVSET", all_systems[:11], 11),
        "test": ("test_mos_list.txt", "TESTSET", all_systems, 24),
    }
    if layout == "phase1-main":
        del plan["test"]
    data = f"{layout}/DATA"
    _challenge(make, data, plan, _listener, ".wav")
    soundfile.write(
        make.folder / data / f"wav/{SILENT}.wav", np.zeros(8000), 16000, "PCM_16"
    )
    make.text(f"{layout}/README", "A miniature of BVCC: made-up labels.\n")


def bc19(make: Maker) -> None:
    """BC19: ratings name the clips without `.wav`; some clips have no label."""
    all_systems = systems(11)
    plan = {
        "train": ("train_mos_list.txt", "TRAINSET", all_systems[:10], 30),
        "val": ("val_mos_list.txt", "DEVSET", all_systems[:10], 10),
        "test": ("test_mos_list.txt", "TESTSET", all_systems, 22),
    }
    kinds = ("EE", "EP", "ER")

    def listener(n: int, i: int) -> str:
        return f"{{}}_na_{1000 + i}_na_na_na_{kinds[i % 3]}"

    _challenge(make, "ood/DATA", plan, listener, "")
    names = [f"{s.tag('sys', 5)}-utt0000{s.number:03d}.wav" for s in all_systems[:5]]
    for name, system in zip(names, all_systems):
        make.wav(f"ood/DATA/wav/{name}", system, level=-26)
    make.text("ood/DATA/sets/unlabeled_mos_list.txt", "\n".join(names) + "\n")


def somos(make: Maker) -> None:
    """SOMOS: 24 kHz, tables with header, the archive in the archive still there."""
    all_systems = systems(12)
    kinds = ("novel_2007", "LJ001", "wiki", "reportorial_2011", "conv")
    plan = {"train": 30, "valid": 12, "test": 24}
    # Natural speech is system 000.
    best_first = sorted(all_systems, key=lambda s: -s.quality)
    ids = {s.number: f"{15 * i:03d}" for i, s in enumerate(best_first)}
    sentence = 0
    for split, n in plan.items():
        for subset in ("clean", "full"):
            make.text(f"training_files/split1/{subset}/README", "")
        rows = {"clean": [], "full": []}
        for k in range(n):
            system = all_systems[k % 12]
            sentence += 1
            name = f"{kinds[k % 5]}_{sentence:04d}_{ids[system.number]}.wav"
            make.wav(f"audios/{name}", system, rate=24000)
            for i in range(12):
                # The listeners that `clean` leaves out answer without listening.
                trusted = i % 3 != 0
                s = make.score(system) if trusted else int(make.rng.integers(1, 6))
                row = (
                    ids[system.number],
                    name,
                    s,
                    f"KEXM495720206{11127 + (k + i) % 17}",
                )
                rows["full"].append(row)
                if trusted:
                    rows["clean"].append(row)
        for subset, found in rows.items():
            folder = f"training_files/split1/{subset}"
            _somos_tables(make, folder, split, found)
    make.text("audios.zip", "already unpacked\n")


def _somos_tables(make: Maker, folder: str, split: str, rows: Sequence) -> None:
    def means(column: int) -> list:
        of: dict[str, list[int]] = {}
        for row in rows:
            of.setdefault(row[column], []).append(row[2])
        return [(name, f"{np.mean(scores):.4f}") for name, scores in of.items()]

    header = ("systemId", "utteranceId", "choice", "listenerId")
    make.table(f"{folder}/{split.upper()}SET", rows, header)
    make.table(f"{folder}/{split}_mos_list.txt", means(1), ("utteranceId", "mean"))
    make.table(f"{folder}/{split}_system.csv", means(0), ("systemId", "mean"))


def nisqa(make: Maker) -> None:
    """NISQA: 48 kHz; files and conditions are numbered anew in each part."""
    parts = {
        "NISQA_TRAIN_SIM": (20, 20), "NISQA_TRAIN_LIVE": (10, 10),
        "NISQA_VAL_SIM": (8, 8), "NISQA_VAL_LIVE": (4, 4),
        "NISQA_TEST_FOR": (10, 20), "NISQA_TEST_P501": (10, 20),
        "NISQA_TEST_LIVETALK": (10, 20),
    }  # fmt: skip
    everything = []
    for part, (n_conditions, n) in parts.items():
        conditions = systems(n_conditions)
        rows = []
        for k in range(n):
            system = conditions[k % n_conditions]
            name = f"c{k + 1:05d}_CommonVoice_en_{k:03d}.wav"
            make.wav(f"{part}/deg/{name}", system, rate=48000)
            mos, *dimensions = np.clip(make.rng.normal(system.quality, 0.2, 5), 1, 5)
            row = dict.fromkeys(NISQA_HEADER, "")
            row |= {
                "db": part, "con": system.number + 1, "file": k + 1,
                "con_description": "bandpass, noise", "filename_deg": name,
                "filepath_deg": f"{part}/deg/{name}", "votes": 5, "lang": "en",
                "mos": f"{mos:.3f}",
            }  # fmt: skip
            row |= dict(zip(("noi", "col", "dis", "loud"), dimensions))
            rows.append([row[c] for c in NISQA_HEADER])
        make.table(f"{part}/{part}_file.csv", rows, NISQA_HEADER)
        everything += rows
    make.table("NISQA_corpus_file.csv", everything, NISQA_HEADER)


def tmhint_qi(make: Maker) -> None:
    """TMHINT-QI: a line a rating, some without score; the folder tells the set."""
    methods, noises = ("Noisy", "FCN", "Trans"), (("babycry", -2), ("pink", 5))
    kinds = [(m, noise, snr) for m in methods for noise, snr in noises] * 2
    all_systems = systems(12)
    rows = []
    for split, n in (("train", 48), ("test", 24)):
        for k in range(n):
            system = all_systems[k % 12]
            method, noise, snr = kinds[k % 12]
            snr += 5 * (k % 12 >= 6)
            name = f"{method}_{noise}_{snr}_{'gb'[k % 2]}{len(split)}_{k // 12}_{k:02d}"
            make.wav(f"{split}/{name}.wav", system)
            for i in range(3):
                # Nobody judged the quality in some trials.
                score = "" if (k + i) % 7 == 0 else make.score(system)
                row = (method, k + 1, snr, noise, score, make.score(system) * 2, name)
                rows.append(row)
    make.rng.shuffle(rows)
    header = "idx,method,uttr,snr,noise,quality_score,intelligibility_score,file_name"
    rows = [(i, *row) for i, row in enumerate(rows)]
    make.table("raw_data.csv", rows, header.split(","))


def singmos(make: Maker) -> None:
    """SingMOS: names without `.wav` in the lists."""
    all_systems = systems(12)
    utt = 0
    for split, n in (("train", 30), ("val", 12), ("eval", 24)):
        rows = []
        for k in range(n):
            system = all_systems[k % 12]
            utt += 1
            name = f"voicemos2024-track2-sys{system.number + 1:04d}-utt{utt:04d}"
            make.wav(f"DATA/wav/{name}.wav", system)
            mos = np.mean([make.score(system) for _ in range(5)])
            rows.append((name, f"{mos:.6f}"))
        make.table(f"DATA/sets/{split}_mos_list.txt", rows)


CORPORA: dict[str, Callable] = {
    f.__name__: f
    for f in (bvcc, bc19, somos, nisqa, tmhint_qi, singmos, p835, codec_mushra)
}


def make_miniature(corpus: str, folder: Path, speech_dir=None, **options) -> Path:
    """Write the miniature of a corpus; returns `folder`, for db.sh.

    Options are those of :class:`Maker` (`seconds`, `seed`) and, for bvcc, `layout`.
    """
    layout = {"layout": options.pop("layout")} if "layout" in options else {}
    CORPORA[corpus](Maker(folder, speech_dir, **options), **layout)
    return Path(folder)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("folder", type=Path, help="Where it goes; must not exist")
    parser.add_argument("--speech_dir", help="Clean speech; default: made-up sounds")
    parser.add_argument("--seconds", type=float, default=3.0, help="Longest clip")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.folder.exists():
        sys.exit(f"error: {args.folder} exists; name a new folder")
    make_miniature(
        args.corpus, args.folder, args.speech_dir, seconds=args.seconds, seed=args.seed
    )
    print(f"{args.corpus.upper()}={args.folder.absolute()}")


if __name__ == "__main__":
    main()
