"""Which clips of a table are asked for, and in which order: a query and rows in, the rows that fit out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mimetic.web.library import Row
from mimetic.web.limits import PAGE


def _filled(value: object) -> object:
    """Take a field of a form that was left empty for one that was not told."""
    return None if value == "" else value


Text = Annotated[str | None, BeforeValidator(_filled)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Level = Annotated[Finite | None, BeforeValidator(_filled)]
Positive = Annotated[Annotated[Finite, Field(ge=0)] | None, BeforeValidator(_filled)]
Order = Literal["id", "length", "error", "true", "predicted"]


class Query(BaseModel):
    """Filters, all of which a clip has to pass."""

    emotion: Text = Field(None, description="The target that `least` is about; and that the orders sort by.")
    least: Level = Field(None, description="The least label of that target; where there is none, score.")
    part: Text = Field(None, description="train, valid or test.")
    missing: Text = Field(None, description="A modality that the clip lacks; any: it lacks one; none: it lacks none.")
    shortest: Positive = Field(None, description="Seconds.")
    longest: Positive = Field(None, description="Seconds.")
    error: Positive = Field(None, description="The least mean absolute error.")
    find: Text = Field(None, max_length=200, description="Part of the id.")
    order: Order = "id"
    page: int = Field(1, ge=1, le=1_000_000)

    def choose(self, rows: Sequence[Row]) -> list[Row]:
        """Give the rows that fit, in the order asked for: what is largest first, what is not known last."""
        chosen = [row for row in rows if all(test(row) for test in self._tests())]
        return chosen if self.order == "id" else sorted(chosen, key=self._rank)

    def page_of(self, chosen: Sequence[Row]) -> Sequence[Row]:
        """Cut out the page asked for."""
        return chosen[(self.page - 1) * PAGE : self.page * PAGE]

    def _tests(self) -> list[Callable[[Row], bool]]:
        return [self._is_intense, self._is_of_part, self._lacks, self._lasts, self._is_off, self._is_called]

    def _is_intense(self, row: Row) -> bool:
        return self.emotion is None or self.least is None or self._level(row) >= self.least

    def _level(self, row: Row) -> float:
        known = row.true or row.predicted or {}
        return known.get(self.emotion or "", -math.inf)

    def _is_of_part(self, row: Row) -> bool:
        return self.part is None or row.part == self.part

    def _lacks(self, row: Row) -> bool:
        if self.missing in ("any", "none"):
            return bool(row.missing) == (self.missing == "any")
        return self.missing is None or self.missing in row.missing

    def _lasts(self, row: Row) -> bool:
        if self.shortest is None and self.longest is None:
            return True
        low, high = self.shortest or 0.0, math.inf if self.longest is None else self.longest
        return row.seconds is not None and low <= row.seconds <= high

    def _is_off(self, row: Row) -> bool:
        return self.error is None or (row.error is not None and row.error >= self.error)

    def _is_called(self, row: Row) -> bool:
        return self.find is None or self.find.lower() in row.id.lower()

    def _rank(self, row: Row) -> float:
        values = {"length": row.seconds, "error": row.error}
        told = {"true": row.true, "predicted": row.predicted}.get(self.order) or {}
        value = values.get(self.order, told.get(self.emotion or "", sum(told.values()) if told else None))
        return math.inf if value is None else -value
