"""The shapes of what goes over HTTP: the same JSON as the commands print with ``--json``, described for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mimetic.web.problems import Problem

Ends = Annotated[list[float | None], Field(min_length=2, max_length=2)]


class Prediction(BaseModel):
    """A clip's scores: an element of what ``mimetic predict --json`` prints."""

    clip: str
    path: str | None = Field(description="Null: of a file that was sent, nothing is kept.")
    scores: dict[str, float] | None
    intervals: dict[str, Ends] | None
    modalities: dict[str, str] = Field(description="used, or the reason why not.")
    error: str | None


class JobState(BaseModel):
    """A job: how far it is, and once it is done what came of it."""

    id: str
    clip: str
    run: str
    state: Literal["waiting", "working", "done", "failed"]
    stage: str
    stages: list[str]
    place: int = Field(ge=0, description="In the queue; 0 once it is worked on.")
    result: Prediction | None = None
    problem: Problem | None = None


class Curve(BaseModel):
    """A curve over time; null where nothing is measured."""

    times: list[float]
    values: list[float | None]
    unit: str | None = None


class Windows(BaseModel):
    """What the model says of windows: by target, one number a window; times are the windows' middles."""

    width: float
    times: list[float]
    scores: dict[str, list[float]]
    contributions: dict[str, dict[str, list[float]]] = Field(
        description="By modality and target: a window's score less what it is without the modality."
    )
    moments: dict[str, list[float]] = Field(
        description="By target: the clip's score less what it is without the window."
    )


class Faces(BaseModel):
    """Which of the crops in the strip show a face."""

    rate: float
    valid: list[bool]


class Timeline(BaseModel):
    """What a clip's scores rest on over time: statements about the model, and measurements of the clip."""

    seconds: float
    targets: list[str]
    modalities: list[str]
    timeless: list[str] = Field(description="Modalities that count whole in every window.")
    windows: Windows | None
    attention: dict[str, Curve]
    mixture: bool = Field(description="Whether the run is a mixture of models, which has no attention of its own.")
    curves: dict[str, Curve]
    unmeasured: dict[str, str] = Field(description="Curves that there are none of, and why.")
    words: list[tuple[float, float, str]]
    text: str | None
    faces: Faces | None


class RunFacts(BaseModel):
    """A finished run."""

    run: str
    recipe: str
    about: str
    seed: int
    system: str
    data: str
    split: str
    note: str
    modalities: list[str]
    targets: list[str]
    parameters: int
    best_epoch: int
    epochs: int
    mean_pearson: float | None


class Epoch(BaseModel):
    """One epoch of a training."""

    epoch: int
    loss: float | None = None
    rate: float | None = None
    mean_pearson: float | None = None
    pearson: dict[str, float | None] = {}


class Training(BaseModel):
    """A training that is not finished."""

    recipe: str
    seed: int
    epochs: int
    age: float = Field(description="Seconds since its last epoch.")
    history: list[Epoch]


class Printed(BaseModel):
    """What a command prints: all of it is handed on, whether or not it is described here."""

    model_config = ConfigDict(extra="allow")


class Interval(Printed):
    """A value with its interval."""

    value: float | None
    low: float | None
    high: float | None


class TargetScore(Printed):
    """One target's scores."""

    pearson: Interval
    ccc: float | None
    mae: float | None


class Evaluation(Printed):
    """What ``mimetic evaluate --json`` prints."""

    recipe: str
    data: str
    split: str
    part: str
    clips: int
    seeds: list[int]
    note: str
    mean_pearson: Interval
    targets: dict[str, TargetScore]


class Comparison(Printed):
    """What ``mimetic compare --json`` prints: first minus second, mean Pearson, paired."""

    difference: float | None
    low: float | None
    high: float | None
    wins: float | None
    spread: float | None
    chance: float | None
    clips: int
    verdict: str
    clips_to_tell: float | None


class ClipRow(BaseModel):
    """A clip of the data set."""

    clip: str
    part: str | None
    seconds: float | None
    missing: list[str]
    true: dict[str, float] | None
    predicted: dict[str, float] | None
    error: float | None


class Clips(BaseModel):
    """A page of the clips that fit."""

    found: int
    of: int
    page: int
    pages: int
    clips: list[ClipRow]


class Finding(BaseModel):
    """Something that an audit found."""

    code: str
    severity: str
    message: str
    clips: list[str]
    remedy: str


class AuditState(BaseModel):
    """What a quick audit found; ``null`` while it is under way."""

    clips: int
    findings: list[Finding] | None
    unchecked: dict[str, str] | None = None
    good: bool | None = None
