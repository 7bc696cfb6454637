"""Training configurations made of a base and a few changes."""

import copy
from collections.abc import Mapping
from typing import Any, Dict

from espnet2_distilmos.utils.errors import UserError


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """Flatten `{"a": {"b": 1}}` to `{"a.b": 1}`."""
    flat: Dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def merged(base: Mapping[str, Any], *changes: Mapping[str, Any]) -> Dict[str, Any]:
    """Return `base` with the dotted keys of `changes` set, the last one winning.

    Raises:
        UserError: a key goes through a value that is no mapping.
    """
    result = copy.deepcopy(dict(base))
    for change in changes:
        for dotted, value in change.items():
            *parents, last = dotted.split(".")
            place = result
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    raise UserError(f"{dotted}: {parent} is not a mapping")
            place[last] = copy.deepcopy(value)
    return result


def shown(settings: Mapping[str, Any]) -> str:
    """Return settings in a cell of a table."""
    return ", ".join(f"{k.split('.')[-1]} {v}" for k, v in settings.items()) or "–"
