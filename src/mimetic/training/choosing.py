"""Which stored features a recipe is trained on, and which recipes of a table can be trained at all.

A recipe names ``wav2vec2``; somebody may say that ``wav2vec2+rate=5`` is to be taken for it, or other features of its
modality altogether. What is taken stands in the recipe, and so in the run, beside what it was taken for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from mimetic.features import Feature, feature
from mimetic.models import ModelEntry
from mimetic.recipes import Recipe, with_features
from mimetic.records import Dataset, UsageError
from mimetic.store import Store


def read_taken(texts: Sequence[str]) -> dict[str, str]:
    """Read ``wav2vec2=wav2vec2+rate=5``: an extractor's name, and the feature to take for it.

    Raises
    ------
    UsageError
        for what is not of that form.
    """
    taken: dict[str, str] = {}
    for text in texts:
        name, equals, instead = text.partition("=")
        if not equals or "+" in name:
            remedy = "Write --feature wav2vec2=wav2vec2+rate=5."
            raise UsageError(f"--feature {text} does not say which feature to take for which extractor", remedy=remedy)
        taken[feature(name).name] = feature(instead).key
    return taken


def on_features(recipe: Recipe, taken: Mapping[str, str]) -> Recipe:
    """Give the recipe on the features that were told by ``read_taken``.

    Raises
    ------
    UsageError
        if they are of another modality.
    """
    swaps: dict[str, str] = {}
    for part in recipe.parts:
        key = taken.get(feature(part.feature).name, part.feature)
        if (modality := feature(key).entry.modality) != part.modality:
            message = f"{key} is {modality}, and cannot be taken for {part.feature}, which is {part.modality}"
            raise UsageError(message, remedy="Give a feature of the same modality.")
        swaps[part.feature] = key
    return with_features(recipe, swaps)


def check_stored(recipe: Recipe, dataset: Dataset, store: Store) -> None:
    """Refuse a recipe whose features the store has under another spelling only, where there is nothing to extract from.

    Raises
    ------
    UsageError
        with what the store has, and how to take it.
    """
    held = store.keys()
    for wanted in (feature(part.feature) for part in recipe.parts):
        others = [key for key in held if key.partition("+")[0] == wanted.name]
        if wanted.key not in held and others and not has_media(dataset):
            remedy = f"Take it: {' or '.join(f'--feature {wanted.name}={key}' for key in others)}."
            raise UsageError(f"{store.path} has no {wanted.key}, but {' and '.join(others)}", remedy=remedy)


def has_media(dataset: Dataset) -> bool:
    """Tell whether any clip has a file that features could be extracted from."""
    return any(clip.path is not None and clip.path.is_file() for clip in dataset.clips)


def lacking(recipe: Recipe, dataset: Dataset, store: Store) -> list[str]:
    """Name the features of a recipe that are neither stored nor to be had without a model's files."""
    held = store.keys()
    made = has_media(dataset)
    wanted = [feature(part.feature) for part in recipe.parts]
    return [f.key for f in wanted if f.key not in held and not (made and _is_light(f))]


def _is_light(wanted: Feature) -> bool:
    entry = wanted.entry
    return not isinstance(entry, ModelEntry) and entry.view != "imported" and entry.extra is None


def trainable(
    recipes: Iterable[Recipe], dataset: Dataset, store: Store, *, tell: Callable[[str], None]
) -> list[Recipe]:
    """Give the recipes whose features are at hand; of the others it is told what they lack."""
    found: list[Recipe] = []
    missing: dict[str, list[str]] = {}
    for recipe in recipes:
        lacks = lacking(recipe, dataset, store)
        if not lacks:
            found.append(recipe)
        for key in lacks:
            missing.setdefault(key, []).append(recipe.name)
    for key, names in missing.items():
        tell(f"{key} is not in {store.path}, so these are left out: {', '.join(names)}")
    return found
