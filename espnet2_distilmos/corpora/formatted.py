"""What a formatted set has beside its audio, whoever writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.datadir import DataDir, write_lines

SAMPLES = "utt2num_samples"


def why_not_trained(
    n_samples: int, min_seconds: Optional[float], max_seconds: Optional[float]
) -> Optional[str]:
    """Say why a clip has no length to train on; None where it has.

    Args:
        n_samples: at 16 kHz.
        min_seconds: shorter clips do not train; None = all do.
        max_seconds: longer clips do not train; None = all do.
    """
    seconds = n_samples / SAMPLE_RATE
    if min_seconds is not None and seconds < min_seconds:
        return f"{seconds:.3f} s is shorter than {min_seconds} s"
    if max_seconds is not None and seconds > max_seconds:
        return f"{seconds:.3f} s is longer than {max_seconds} s"
    return None


def number_systems(data: DataDir) -> Mapping[str, int]:
    """Return the number of each system of a set, for ESPnet's data loader."""
    names = sorted(set((data.systems or {}).values()), key=str.encode)
    return {name: number for number, name in enumerate(names)}


def write_formatted(
    folder: Path,
    data: DataDir,
    n_samples: Mapping[str, int],
    sys2id: Mapping[str, int],
) -> None:
    """Write a set, with lengths and numbers of systems; what it lacks is removed.

    Args:
        folder: folder to write.
        data: the clips.
        n_samples: ID -> samples, of these clips at least.
        sys2id: system -> number, of theirs at least.
    """
    write_lines(folder / SAMPLES, {u: n_samples[u] for u in data.wavs})
    if data.systems is not None:
        ids = {u: sys2id[s] for u, s in data.systems.items()}
        write_lines(folder / "sys2id", sys2id)
        write_lines(folder / "utt2sys_id", ids)
    else:  # left by an earlier version of the set
        for name in ("sys2id", "utt2sys_id"):
            (folder / name).unlink(missing_ok=True)
    if data.ratings is None:  # likewise
        (folder / "utt2ratings").unlink(missing_ok=True)
    data.save(folder)
