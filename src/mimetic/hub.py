"""A run as others share models: ``save_pretrained``, ``from_pretrained``, ``push_to_hub``, as on any model of the hub.

In goes a run, out comes a folder with ``config.json``, ``model.safetensors`` and a model card. Labels and scores of
clips stay at home: they are the data set's, whose agreement may not let them go.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin, snapshot_download

from mimetic.cards import model_card
from mimetic.prediction import margins_of
from mimetic.records import BadRun, Json
from mimetic.runs import CONFIG, HISTORY, MEMBERS, WEIGHTS, Run
from mimetic.store import write_atomically

CARD = "README.md"
SHARED = (WEIGHTS, HISTORY, MEMBERS)
"""What goes along as it is, beside the configuration and the card."""


class SharedRun(ModelHubMixin, library_name="mimetic", tags=["emotional-mimicry-intensity"]):
    """A run on its way to or from the hub.

    ``SharedRun(run).save_pretrained(folder)``, ``SharedRun(run).push_to_hub("me/mine")``,
    ``SharedRun.from_pretrained("me/mine").run``: the arguments are those of ``huggingface_hub.ModelHubMixin``.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def _save_pretrained(self, save_directory: Path) -> None:
        margins = margins_of(self.run)
        config = {**self.run.config, "margins": None if margins is None else margins.as_json()}
        write_atomically(save_directory / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
        write_atomically(save_directory / CARD, _card(self.run).encode())
        for name in SHARED:
            if (self.run.path / name).is_file():
                shutil.copyfile(self.run.path / name, save_directory / name)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, revision: str | None, **told: Any) -> Self:
        if Path(model_id).is_dir():
            return cls(Run(model_id))
        names = ("cache_dir", "force_download", "local_files_only", "token")
        known = {name: told[name] for name in names if name in told}
        return cls(Run(snapshot_download(model_id, revision=revision, **known)))


def _card(run: Run) -> str:
    """Give the model card; of a run that nothing can score, one that says so."""
    try:
        return model_card([run])
    except BadRun as trouble:
        facts: Json = run.config["data"]
        head = "---\nlibrary_name: mimetic\nlicense: other\n---\n\n"
        return f"{head}# {run.recipe.name}, trained on {facts['name']}\n\nNo validation score: {trouble.message}.\n"
