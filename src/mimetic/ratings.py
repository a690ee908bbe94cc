"""What raters said of clips, a column each: a CSV in, how far they agree and the best score that leaves out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mimetic.encodings import read_text
from mimetic.evidence.agreement import IntraclassCorrelation, intraclass_correlation, krippendorff_alpha
from mimetic.records import BadData, Json, UnknownName, UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far raters agree on clips.

    Attributes
    ----------
    clips, complete
        how many have two ratings at least, and how many all of them.
    alpha
        Krippendorff's, of numbers with equal steps.
    correlation
        the intraclass correlations of the complete clips; ``None`` where those are fewer than two.
    limit
        the highest Pearson, in expectation, of any system with the raters' mean: the root of that mean's reliability
        (Shrout and Fleiss' ICC(3, k); Pearson does not see that one rater always says more).
    """

    raters: tuple[str, ...]
    clips: int
    complete: int
    alpha: float
    correlation: IntraclassCorrelation | None
    limit: float

    def as_json(self) -> Json:
        """Give it as ``--json`` prints it."""
        return asdict(self) | {"raters": list(self.raters)}


def read_ratings(path: Path, raters: Sequence[str]) -> NDArray[np.float64]:
    """Read columns of a CSV as ``(clip, rater)``; NaN where a cell is empty.

    Raises
    ------
    UsageError
        for fewer than two columns.
    UnknownName
        for a column that the file does not have.
    BadData
        for a cell that is no number, or a file that cannot be read.
    """
    if len(raters) < 2:
        raise UsageError(f"{', '.join(raters) or 'nobody'} agrees with nobody", remedy="Name two columns at least.")
    try:
        reader = csv.DictReader(io.StringIO(read_text(path).text, newline=""), strict=True)
        for name in raters:
            if name not in (reader.fieldnames or ()):
                raise UnknownName("column", name, tuple(reader.fieldnames or ()))
        rows = [[_number(row[name], path, reader.line_num, name) for name in raters] for row in reader]
    except csv.Error as error:
        raise BadData(f"{path} is no CSV: {error}", remedy="Save it as comma-separated values.") from error
    return np.array(rows, dtype=np.float64).reshape(-1, len(raters))


def agreement_of(ratings: NDArray[np.float64], raters: Sequence[str]) -> Agreement:
    """Say how far raters agree; ``ratings`` is ``(clip, rater)``, NaN where there is none."""
    known = (~np.isnan(ratings)).sum(axis=1)
    complete = ratings[known == len(raters)]
    found = intraclass_correlation(complete) if len(complete) >= 2 else None
    return Agreement(
        raters=tuple(raters),
        clips=int((known >= 2).sum()),
        complete=len(complete),
        alpha=krippendorff_alpha(ratings),
        correlation=found,
        limit=math.sqrt(max(0.0, found.three_mean)) if found else math.nan,
    )


def _number(cell: str | None, path: Path, line: int, name: str) -> float:
    text = (cell or "").strip()
    if not text or text.upper() in ("NA", "NAN"):
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise BadData(f"{path}, line {line}: {name} is {text!r}, not a number", remedy="Correct it.") from None
