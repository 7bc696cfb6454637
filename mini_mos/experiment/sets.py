"""The sets of the experiment, taken from a corpus of its own."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Set, Tuple

from espnet2_distilmos.utils.datadir import DataDir, read_words, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.outputs import PROMPTS
from mini_mos.corpus.systems import family_names
from mini_mos.experiment.protocol import DEVELOPMENT, FINAL, PILOTS, Development
from mini_mos.experiment.subsets import subset

# In a data directory: clip -> its unheard families of degradations, joined by +.
FAMILIES = "utt2family"


@dataclass(frozen=True)
class Sets:
    """The sets of a part of the experiment.

    Attributes:
        train: what is trained on.
        valid: what checkpoints are chosen on.
        judged: what predictions are kept of.
    """

    train: str
    valid: str
    judged: Tuple[str, ...]

    @property
    def scored(self) -> Tuple[str, ...]:
        """Return the sets that every run predicts."""
        return (self.valid, *self.judged)

    @property
    def every(self) -> Tuple[str, ...]:
        """Return all sets."""
        return (self.train, *self.scored)


SETS = {
    DEVELOPMENT: Sets("tune_train", "tune_valid", PILOTS),
    FINAL: Sets("train", "final_valid", ("test", "test_speaker", "test_system")),
}


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


def write_families(folder: Path, systems_yaml: PathLike, families: Set[str]) -> None:
    """Write which of `families` each clip of a data directory has (FAMILIES)."""
    chains = {
        name: sorted({link["family"] for link in s["chain"]} & families)
        for name, s in read_yaml(systems_yaml).items()
    }
    systems = DataDir.load(folder).systems or {}
    write_lines(folder / FAMILIES, {u: "+".join(chains[s]) for u, s in systems.items()})


def make_sets(
    development: Development, data_dir: PathLike, systems_yaml: PathLike
) -> Dict[str, int]:
    """Write the sets that are parts of `train` and `valid` beside them.

    `tune_train`: the training set without the development families and speakers.
    Of `valid`, whose prompts no other set has: `tune_valid` has neither those families
    nor speakers, `dev_speaker` has the speakers, `dev_system` the families (clips with
    both are in no set); `final_valid` is a part of all of it. Of `test_system`, and of
    `dev_system`, FAMILIES is written.

    Args:
        development: of the protocol.
        data_dir: data directories of the experiment's corpus.
        systems_yaml: systems of that corpus.

    Returns:
        Set -> number of clips.

    Raises:
        UserError: labels, systems or speakers are missing, or a set has no clip.
    """
    data_dir = Path(data_dir)
    held = held_systems(systems_yaml, set(development.families))
    speakers = set(development.speakers)

    def choose(data: DataDir, new_speaker: bool, new_system: bool) -> DataDir:
        if data.systems is None or data.speakers is None:
            raise UserError(f"{data_dir}: utt2sys and utt2spk are needed in every set")
        return data.subset(
            [
                utt
                for utt in data.wavs
                if (data.speakers[utt] in speakers) == new_speaker
                and (data.systems[utt] in held) == new_system
            ]
        )

    train, valid = (DataDir.load(data_dir / name) for name in ("train", "valid"))
    sets = SETS[DEVELOPMENT]
    made = {
        sets.train: choose(train, False, False),
        sets.valid: choose(valid, False, False),
        sets.judged[0]: choose(valid, True, False),
        sets.judged[1]: choose(valid, False, True),
        SETS[FINAL].valid: valid,
    }
    for name, size in (
        (sets.valid, development.tune_valid),
        (SETS[FINAL].valid, development.final_valid),
    ):
        if len(made[name].wavs) > size:
            made[name] = made[name].subset(subset(made[name].systems or {}, size, 0))
    prompts = {
        **read_words(data_dir / "train" / PROMPTS),
        **read_words(data_dir / "valid" / PROMPTS),
    }
    for name, data in made.items():
        if not data.wavs:
            raise UserError(f"{name}: no clip; see development in the protocol")
        data.save(data_dir / name)
        write_lines(data_dir / name / PROMPTS, {u: prompts[u] for u in data.wavs})
        logging.info(f"{data_dir / name}: {counted(len(data.wavs), 'clip')}")
    write_families(data_dir / sets.judged[1], systems_yaml, set(development.families))
    if (data_dir / "test_system").exists():
        unheard = set(family_names(held_out=True))
        write_families(data_dir / "test_system", systems_yaml, unheard)
    return {name: len(data.wavs) for name, data in made.items()}
