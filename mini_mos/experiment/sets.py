"""The data directories that the experiment needs beside those of the recipe."""

import logging
from pathlib import Path
from typing import Dict, Set

from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.terminal import counted
from mini_mos.experiment.plan import (
    DEV_SETS,
    TUNE_TRAIN,
    TUNE_VALID,
    train_set_of,
)
from mini_mos.experiment.protocol import ALL, Protocol
from mini_mos.experiment.subsets import subset


def held_systems(systems_yaml: PathLike, families: Set[str]) -> Set[str]:
    """Return the training systems of `systems.yaml` that one of `families` is in.

    Raises:
        UserError: no system has one of them, or all have.
    """
    systems = read_yaml(systems_yaml)
    trained = {name for name, s in systems.items() if not s["held_out"]}
    found = {
        name
        for name in trained
        if any(link["family"] in families for link in systems[name]["chain"])
    }
    if not found or found == trained:
        raise UserError(
            f"{systems_yaml}: {len(found)} of {len(trained)} training systems have "
            f"{', '.join(sorted(families))}; choose other development families"
        )
    return found


def _load(folder: Path) -> DataDir:
    data = DataDir.load(folder)
    if data.mos is None or data.systems is None or data.speakers is None:
        raise UserError(f"{folder}: utt2mos, utt2sys and utt2spk are needed")
    return data


def make_sets(
    protocol: Protocol,
    data_dir: PathLike,
    dev_data_dir: PathLike,
    systems_yaml: PathLike,
    dev_systems_yaml: PathLike,
) -> Dict[str, int]:
    """Write the training subsets and the development sets into `data_dir`.

    `tune_train`: the training set without the development families and speakers.
    Of the clips in `dev_data_dir`, which has more clips of the validation set's
    prompts and systems: `tune_valid` has neither those families nor speakers,
    `dev_speaker` has the speakers, `dev_system` the families (clips with both are in
    no set). Test sets are not read.

    Args:
        protocol: sizes and development.
        data_dir: parent of the recipe's data directories.
        dev_data_dir: the same of the corpus made for development.
        systems_yaml: systems of the recipe's corpus.
        dev_systems_yaml: of the other one; must be the same.

    Returns:
        Set -> number of clips.

    Raises:
        UserError: the corpora do not belong together, or a set has no clip.
    """
    data_dir, dev = Path(data_dir), protocol.development
    if read_yaml(systems_yaml) != read_yaml(dev_systems_yaml):
        raise UserError(
            f"{systems_yaml} and {dev_systems_yaml} differ: make both corpora with the "
            "same speech, seed, --n_train and --n_systems"
        )
    train = _load(data_dir / protocol.train_set)
    more = _load(Path(dev_data_dir) / protocol.valid_set)
    if set(train.wavs) & set(more.wavs):
        raise UserError(f"{dev_data_dir}: has clips of the training set")
    held, speakers = held_systems(systems_yaml, set(dev.families)), set(dev.speakers)

    def choose(data: DataDir, new_speaker: bool, new_system: bool) -> DataDir:
        return data.subset(
            [
                utt
                for utt in data.wavs
                if (data.speakers[utt] in speakers) == new_speaker
                and (data.systems[utt] in held) == new_system
            ]
        )

    made = {
        TUNE_TRAIN: choose(train, False, False),
        TUNE_VALID: choose(more, False, False),
        DEV_SETS[0]: choose(more, True, False),
        DEV_SETS[1]: choose(more, False, True),
    }
    of_valid = made[TUNE_VALID]
    if len(of_valid.wavs) > dev.tune_valid:
        chosen = subset(of_valid.systems, dev.tune_valid, protocol.subset_seed)
        made[TUNE_VALID] = of_valid.subset(chosen)
    for size in protocol.sizes:
        if size != ALL:
            chosen = subset(train.systems, size, protocol.subset_seed)
            made[train_set_of(protocol, size)] = train.subset(chosen)
    empty = [name for name, data in made.items() if not data.wavs]
    if empty:
        raise UserError(f"{empty[0]}: no clip; see development in the protocol")
    for name, data in made.items():
        data.save(data_dir / name)
        logging.info(f"{data_dir / name}: {counted(len(data.wavs), 'clip')}")
    return {name: len(data.wavs) for name, data in made.items()}
