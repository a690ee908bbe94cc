"""What the head loses when things go wrong with its features."""

from __future__ import annotations

from mimetic.panels import Absent, Cell, Drawn, Section, Table, axis_of, differing, scored
from mimetic.plots import number
from mimetic.records import MimeticError
from mimetic.report.material import Material, without_data
from mimetic.runs import NETWORK
from mimetic.stressing import Loss, stress_features

WHAT = "Losses under stress"

CLIPS = 1_000
"""That are looked at, at most."""

RESAMPLES = 2_000


def section(material: Material) -> Section | Absent:
    """Put a sample of the validation clips through missing modalities, noise, lost frames and wrong words."""
    beside, head = material.beside, material.head
    if beside is None or beside.store is None:
        return without_data(WHAT)
    if head.runs[0].kind != NETWORK:
        return Absent(what=WHAT, how=f"{head.name} is no single network; report a network's run")
    resamples = min(RESAMPLES, material.resamples)
    try:
        found = stress_features(
            head.runs, beside.dataset, beside.store, groups=beside.groups, clips=CLIPS, resamples=resamples
        )
    except MimeticError as error:
        return Absent(what=WHAT, how=str(error))
    told = (
        f"{head.name} on {found.clips:,} validation clips whose features are disturbed, each loss paired with the same"
        f" clips undisturbed: {number(found.undisturbed.value)} there. p corrected together (Holm)."
    )
    changes = [differing(loss.change) for loss in found.losses]
    table = Table(
        name="stress",
        caption="Mean Pearson under stress, and what it is more than undisturbed",
        columns=["Stress", "Mean Pearson", "Change", "Change, drawn", "p, corrected", "Verdict"],
        words=["Verdict"],
        rows=[_row(loss) for loss in found.losses],
        axis=axis_of(changes),
    )
    return Section(heading="When things go wrong", short="Stress", told=[told], tables=[table])


def _row(loss: Loss) -> list[Cell]:
    change = differing(loss.change)
    return [loss.name, scored(loss.mean_pearson), change, Drawn(score=change), number(loss.corrected, 4), loss.verdict]
