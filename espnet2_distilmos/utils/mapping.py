"""Settings that people write as YAML mappings, made into dataclasses."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Tuple,
    Type,
    TypeVar,
    get_origin,
    get_type_hints,
)

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def is_number(value: Any) -> bool:
    """Whether `value` is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Type of a field -> whether a value is one, and in words what it has to be.
_TYPES: Dict[Any, Tuple[Callable[[Any], bool], str]] = {
    bool: (lambda x: isinstance(x, bool), "true or false"),
    int: (lambda x: is_number(x) and x >= 0 and x % 1 == 0, "a whole number"),
    float: (lambda x: is_number(x) and x >= 0, "a number >= 0"),
    str: (lambda x: isinstance(x, str), "text"),
    dict: (lambda x: isinstance(x, dict), "a mapping"),
}


def from_mapping(cls: Type[T], data: Any, where: PathLike) -> T:
    """Make a dataclass of a mapping with its fields as keys.

    Fields of the types bool, int, float (not negative), str and dict are checked; the
    others are left to the class, whose own errors get `where` before them.

    Args:
        cls: the dataclass.
        data: the mapping.
        where: its source, for errors.

    Raises:
        UserError: no mapping, an unknown or a missing key, or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: a mapping (key: value lines) was expected")
    known = {f.name: f for f in fields(cls)}
    unknown = sorted(str(key) for key in data if key not in known)
    if unknown:
        raise UserError(
            f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(known)}"
        )
    missing = [
        name
        for name, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING and name not in data
    ]
    if missing:
        raise UserError(f"{where}: missing: {', '.join(missing)}")
    hints = get_type_hints(cls)
    for name, value in data.items():
        hint = hints[name]
        fits, what = _TYPES.get(get_origin(hint) or hint, (None, ""))
        if fits is not None and not fits(value):
            raise UserError(f"{where}: {name} must be {what}, not {value!r}")
    try:
        return cls(**data)
    except UserError as e:
        raise UserError(f"{where}: {e}") from e
