"""Where a pretrained model's files are: a name goes in, a folder on this machine comes out.

Looked for, in this order: a path; a folder below ``$MIMETIC_MODELS``; the hub's local cache; the hub itself, where a
network is. Only what a model needs is fetched, never code: weights as safetensors, and JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from mimetic.records import Json, MissingExtra, UsageError

HOME = "MIMETIC_MODELS"
"""The environment variable that names a folder of models: ``<folder>/<organisation>/<name>`` or ``<folder>/<name>``."""

PATTERNS = ("*.json", "*.txt", "*.safetensors", "*.model", "pytorch_model.bin", "model.bin")
"""What is fetched. (``pytorch_model.bin`` is read by torch's weights-only loader, where a model has nothing else;
``model.bin`` is CTranslate2's own.)"""

PATIENCE = 3.0
"""Seconds to wait for the hub to answer before it counts as out of reach."""

SAMPLES, SAMPLE = 64, 64 << 10
"""Places in a file that its fingerprint covers, evenly spread, and bytes at each."""


class MissingWeights(UsageError):
    """A model's files are not on this machine and could not be fetched."""

    def __init__(self, name: str, model: str, looked: list[str], remedy: str) -> None:
        super().__init__(f"{name} needs {model}, which is not {', not '.join(looked)}", remedy=remedy)


def locate(model: str, revision: str | None = None, *, name: str) -> Path:
    """Give the folder (or the ``.onnx`` file) with a model's files.

    Parameters
    ----------
    model
        a path, a hub id (``organisation/name``), or ``package:MODULE`` for a package that ships its model and has a
        function ``get_model_path``.
    revision
        the hub's commit, tag or branch; of a path it says nothing.
    name
        of the extractor: the one that is told in errors.

    Raises
    ------
    MissingWeights
        at once, and with every place that was looked at.
    MissingExtra
        if the package that ships the model is not installed.
    """
    if model.startswith("package:"):
        return _packaged(model.removeprefix("package:"), name)
    path = Path(model).expanduser()
    if path.exists():
        return _checked(path, name)
    looked = [f"a folder here ({model})"]
    if (home := os.environ.get(HOME)) is not None:
        for place in (Path(home, model), Path(home, model.rpartition("/")[2])):
            if place.is_dir():
                return _checked(place, name)
        looked.append(f"below {HOME} ({home})")
    if not _is_hub_id(model):
        remedy = "Give a folder with config.json and model.safetensors, or a hub id (organisation/name)."
        raise MissingWeights(name, model, looked, remedy)
    return _from_hub(model, revision, name, looked)


def _packaged(module: str, name: str) -> Path:
    try:
        return Path(import_module(module).get_model_path())
    except ImportError:
        raise MissingExtra(f"the extractor {name!r}", "sentence") from None


def _checked(path: Path, name: str) -> Path:
    if path.is_dir() and not (path / "config.json").is_file():
        remedy = "It needs config.json and model.safetensors, as `save_pretrained` writes them."
        raise UsageError(f"{name}: {path} is no checkpoint", remedy=remedy)
    return path


def _is_hub_id(model: str) -> bool:
    parts = model.split("/")
    return len(parts) == 2 and all(part and not part.startswith(".") for part in parts) and "\\" not in model


def _from_hub(model: str, revision: str | None, name: str, looked: list[str]) -> Path:
    """Look into the hub's cache, then ask the hub, unless it is out of reach."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True, allow_patterns=list(PATTERNS)))
    except LocalEntryNotFoundError:
        looked.append(f"in the cache ({constants.HF_HUB_CACHE})")
    remedy = f"Where a network is: hf download {model}; then bring the folder, and give it with --model."
    if constants.HF_HUB_OFFLINE or not _is_in_reach(constants.ENDPOINT):
        raise MissingWeights(name, model, [*looked, "to be had from the hub (out of reach)"], remedy)
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(PATTERNS)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        told = str(error).splitlines()[0]
        raise MissingWeights(name, model, [*looked, f"to be had from the hub ({told})"], remedy) from None


def _is_in_reach(endpoint: str) -> bool:
    """Tell whether the hub answers: its own client would try for half a minute."""
    at = urlsplit(endpoint)
    try:
        with socket.create_connection((at.hostname or "", at.port or 443), timeout=PATIENCE):
            return True
    except OSError:
        return bool(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"))  # only the client can tell


def read_config(folder: Path) -> Json:
    """Give a checkpoint's ``config.json``; empty for a single file."""
    if not folder.is_dir():
        return {}
    try:
        config: Json = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{folder}/config.json cannot be read ({error})", remedy="Fetch the checkpoint again."
        ) from None
    return config


def weigh(path: Path) -> str:
    """Give a fingerprint of a checkpoint: 16 hex digits over the names, sizes and samples of its files."""
    state = hashlib.blake2b(digest_size=8)
    files = [file for file in path.iterdir() if _counts(file)] if path.is_dir() else [path]
    for file in sorted(files, key=lambda file: file.name):
        size = file.stat().st_size
        state.update(f"{file.name if path.is_dir() else ''} {size}\n".encode())
        with file.open("rb") as opened:
            for place in sorted(
                {(size - SAMPLE) * step // (SAMPLES - 1) for step in range(SAMPLES)} if size > SAMPLE else {0}
            ):
                opened.seek(place)
                state.update(opened.read(SAMPLE))
    return state.hexdigest()


def _counts(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and any(file.match(pattern) for pattern in PATTERNS)
