"""The configs of a model: recommended, and with the settings of its paper."""

from pathlib import Path

from ..errors import Errors, JREError

# folder of the config, relative to that of the recommended config
RECIPES = {"recommended": ".", "paper": "paper"}


def choose_config(path: Path, recipe: str) -> Path:
    """Get the config of a recipe.

    path (Path): The recommended config of a model.
    recipe (str): "recommended" or "paper".
    RETURNS (Path): The same path, or the file with this name in the folder ``paper``
        beside it.
    RAISES (ValueError): J755 for another recipe, J601 for a config without this recipe.
    """
    if recipe not in RECIPES:
        raise JREError(Errors.J755.format(known=", ".join(RECIPES), value=recipe))
    chosen = path.parent / RECIPES[recipe] / path.name
    if recipe != "recommended" and not chosen.is_file():
        raise JREError(Errors.J601.format(path=chosen))
    return chosen
