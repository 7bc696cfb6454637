"""A first look at a training, without torch and ESPnet."""

import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from espnet2_distilmos.train.identity import (
    NOT_DECIDING,
    data_request,
    upstream_request,
)
from espnet2_distilmos.train.record import whole
from espnet2_distilmos.utils.files import PathLike, read_yaml, sha256_file
from espnet2_distilmos.utils.stamp import digest_of

# Of a command line: what launchers add, and where results go.
_LEFT_OUT = {
    f"--{name}"
    for name in NOT_DECIDING
    if name.startswith("dist_")
    or name in ("ngpu", "local_rank", "multiprocessing_distributed", "output_dir")
}
_READ = {"--config", "--upstream_config"}
_COMPARED = {
    f"--{part}_{what}"
    for part in ("train", "valid")
    for what in ("data_path_and_name_and_type", "shape_file")
}


def asked(words: Sequence[str]) -> str:
    """Return a digest of a command line, for which options are not parsed.

    The same digest: the same options, with the same in the files that they name. Data
    is left to :func:`quick_request`. Another one says nothing.
    """
    seen: List[str] = []
    rest = iter(_separate(words))
    for word in rest:
        if word in _LEFT_OUT:
            next(rest, None)
        elif word in _READ:
            content = read_yaml(next(rest, ""))
            seen += [word, repr(_with_files(content))]
        elif word in _COMPARED:
            seen += [word, *str(next(rest, "")).split(",")[1:]]
        else:
            seen.append(repr(_with_files(word)))
    return digest_of(seen)


def _separate(words: Sequence[str]) -> Iterable[str]:
    """Yield `--name=value` as two words."""
    for word in words:
        name, equals, value = str(word).partition("=")
        yield from (name, value) if equals and name.startswith("--") else (word,)


def _with_files(value: Any) -> Any:
    """Return a value with the digest of every file that a text in it names."""
    if isinstance(value, dict):
        return [(str(k), _with_files(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [_with_files(v) for v in value]
    if isinstance(value, str):
        # FILE:FROM:TO of --init_param
        for name in dict.fromkeys([value, value.split(":")[0]]):
            if name and os.path.isfile(name):
                return [value, sha256_file(name)]
    return value


def quick_request(words: Sequence[str]) -> Dict[str, Any]:
    """Return the parts of a training's request that a command line shows by itself.

    Those that are given elsewhere are missing, and so equal to no whole request.
    """
    found: Dict[str, List[str]] = {}
    rest = iter(_separate(words))
    for word in rest:
        if word in _COMPARED | {"--upstream_config"}:
            found.setdefault(word, []).append(next(rest, ""))
    parts: Dict[str, Any] = {}
    for part in ("train", "valid"):
        triples = found.get(f"--{part}_data_path_and_name_and_type", [])
        parts[part] = (
            [tuple(t.rsplit(",", 2)) for t in triples if t.count(",") >= 2],
            found.get(f"--{part}_shape_file", []),
        )
    conf: Dict[str, Any] = {}
    where: PathLike = "--upstream_config"
    for where in found.get("--upstream_config", []):
        conf = read_yaml(where)
    return {
        "data": data_request(parts),
        "upstream": upstream_request(conf, str(where)),
    }


def whole_at_a_glance(
    folder: PathLike,
    record: Mapping[str, Any],
    words: Sequence[str],
    gpu: bool,
    processes: int,
) -> Optional[str]:
    """Say that a training is whole, if that shows without parsing its options.

    Args:
        folder: of the experiment.
        record: its record.
        words: the command line of `distilmos_train`.
        gpu: whether GPUs are used.
        processes: that train together.

    Returns:
        One line; None where a closer look is needed.
    """
    request = record["request"]
    options = request.get("options") or {}
    now = {"device": "gpu" if gpu else "cpu", "processes": processes}
    if (
        record.get("asked") != asked(words)
        or any(options.get(key) != value for key, value in now.items())
        or any(request.get(k) != part for k, part in quick_request(words).items())
    ):
        return None
    # The same was asked for when the training ended: no further epoch is wanted.
    length = record.get("length") or {}
    return whole(folder, record, length.get("max_epoch") or 0, length.get("patience"))
