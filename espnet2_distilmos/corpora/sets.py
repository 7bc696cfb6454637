"""Sets by name: `SET` of this recipe, or `CORPUS/SET` of the recipe beside it."""

import os
from dataclasses import dataclass
from pathlib import Path

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


@dataclass(frozen=True)
class NamedSet:
    """Where a set of a recipe lies.

    Attributes:
        corpus: name of the corpus, that of its folder below `egs2/`.
        set: name of the set.
        recipe: the corpus' recipe folder, relative to this recipe ("." for its own);
            relative paths in the set's files start there.
        folder: the data directory, which has a `wav.scp`.
    """

    corpus: str
    set: str
    recipe: Path
    folder: Path


def find_set(name: str, recipe_dir: PathLike = ".") -> NamedSet:
    """Resolve `SET` or `CORPUS/SET` to a data directory.

    Recipes lie as `egs2/CORPUS/distilmos1`, and stage 1 writes `data/SET` in each.

    Args:
        name: `test` (of this recipe) or `somos/test`.
        recipe_dir: this recipe's folder.

    Raises:
        UserError: no such form, corpus or set; says what to run.
    """
    here = Path(os.path.abspath(recipe_dir))
    corpus, slash, dset = name.rpartition("/")
    if not slash:
        corpus = here.parent.name
    if not dset or not corpus or "/" in corpus or {corpus, dset} & {".", ".."}:
        raise UserError(f"{name!r} is no set; SET or CORPUS/SET was expected")
    recipe = Path(recipe_dir)
    if corpus != here.parent.name:
        recipe = recipe / ".." / ".." / corpus / here.name
        if not recipe.is_dir():
            raise UserError(f"{name}: {recipe}: no such recipe")
    folder = recipe / "data" / dset
    if not (folder / "wav.scp").is_file():
        raise UserError(
            f"{name}: {folder / 'wav.scp'}: no such file; run stage 1 of that recipe "
            f"first (cd {recipe} && ./run.sh --stop_stage 1)"
        )
    return NamedSet(corpus, dset, recipe, folder)
