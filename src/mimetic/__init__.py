"""Emotional mimicry intensity: how strongly people show emotions in short clips, from raw video to scores.

The house, in the order of the river (a module imports only from those above it)::

    records                                              the nouns, the protocols, the tree of errors
    scores resampling parallel devices world growing     formulas, and how they vary; processes; rows as they come
    clocking                                             where time goes
    models checkpoints tuned folded weights images       what a pretrained extractor is; its files; its pictures
    pieces media stills detectors faces                  a path becomes views
    encodings subtitles words transcripts scripts        so do files with what is said
    backends                                             who computes pretrained networks
    voices recognisers                                   where somebody speaks, and what
    sheets foreign sources                               what others made, and where it lies
    gating                                               a recurrence, its gradient written out
    features encoders fusions                            views become tracks, vectors, scores: open tables
    licences                                             what has to be accepted
    spools soundness store stocktaking                   tracks on disk
    reading assembling computing conveying shards        clips through decoders and models
    converting computed                                  networks for other backends; which one computes
    cluster engines                                      on other machines; here or there
    splits sharing batches datasets introducing          who trains; what clips share; tensors; who is in it
    recipes switching preparing branches network         what to train; one choice at a time; its network
    contributions                                        what each modality adds
    evidence ratings                                     how far a score can be trusted, or raters
    runs extraction imports transcription                a recipe's folder; clips into the store, or into words
    journal tracking planning                            epochs, for those who follow; what extraction will cost
    training finetuning                                  the loop; the loop for extractors themselves
    submission ledger                                    the challenge's file
    forgetting                                           every trace of a clip removed
    evaluation comparing ablation cutting slicing        runs become numbers; side by side; by kinds of clips
    modalities ridge pooling stacking                    clips as arrays; lines through them; many models as one
    fitting auto sentences automatic                     recipes on arrays; all that the data allow, mixed; as a run
    inner spaces sweeping mixing                         clips held in turn; the search for settings; runs as one
    prediction stressing                                 raw clips in, scores out; what harms them
    svg plots pictures panels                            figures, and what stands in tables
    auditing                                             what is wrong with a data set
    estimator                                            the river for arrays: scikit-learn's conventions
    listings console progress leakage                    the tables; the terminal; how much is look-up
    report                                               one HTML page
    benching                                             ours beside the field's ways, measured
    demonstration cards showing                          the whole river; Markdown; what searches and stacks are
    hub                                                  a run on its way to or from the hub
    calls                                                what the words of a call mean
    live capturing playing monitor                       what goes on now, window by window; on the terminal
    web                                                  the page, and the HTTP interface under it
    commands                                             the commands, by what they are for
    cli                                                  the command line
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from mimetic.datasets import open_dataset as open_dataset
    from mimetic.estimator import MultimodalRegressor as MultimodalRegressor
    from mimetic.evaluation import evaluate as evaluate
    from mimetic.evidence.intervals import compare as compare
    from mimetic.evidence.intervals import interval as interval
    from mimetic.extraction import extract as extract
    from mimetic.modalities import Modalities as Modalities
    from mimetic.prediction import predict as predict
    from mimetic.recipes import Recipe as Recipe
    from mimetic.records import Clip as Clip
    from mimetic.records import Scores as Scores
    from mimetic.records import Track as Track
    from mimetic.runs import Run as Run
    from mimetic.runs import load as load
    from mimetic.scores import ccc as ccc
    from mimetic.scores import pearson as pearson
    from mimetic.store import Store as Store
    from mimetic.training import train as train

for _name, _value in (("HF_HUB_DISABLE_TELEMETRY", "1"), ("RAY_USAGE_STATS_ENABLED", "0"), ("DO_NOT_TRACK", "1")):
    os.environ.setdefault(_name, _value)  # before what we use is imported: it reads them then

_HOME = {
    "Clip": "records",
    "Modalities": "modalities",
    "MultimodalRegressor": "estimator",
    "Recipe": "recipes",
    "Run": "runs",
    "Scores": "records",
    "Store": "store",
    "Track": "records",
    "ccc": "scores",
    "compare": "evidence.intervals",
    "evaluate": "evaluation",
    "extract": "extraction",
    "interval": "evidence.intervals",
    "load": "runs",
    "open_dataset": "datasets",
    "pearson": "scores",
    "predict": "prediction",
    "train": "training",
}
"""Where each public name lives; it is loaded when it is first touched."""

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # as slow to import as half of the command line

        return version("mimetic")
    if name not in _HOME:
        raise AttributeError(f"mimetic has no {name!r}; it has {', '.join(_HOME)}")
    return getattr(import_module(f"mimetic.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
