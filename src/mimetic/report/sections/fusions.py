"""The fusions: the poster's table, ours beside the published."""

from __future__ import annotations

from mimetic.panels import Section
from mimetic.report.material import Material
from mimetic.report.ranking import ranked
from mimetic.report.systems import PLAINEST


def section(material: Material) -> Section | None:
    """Rank the systems of several modalities."""
    fusions = [system for system in material.systems if not system.single]
    if not fusions:
        return None
    against = "the best single modality"
    if any(system.beyond for system in fusions):
        against += f", and against {PLAINEST}, the plainest fusion"
    told = (
        f"Mean of the {len(material.targets)} Pearson correlations on validation, the best first. The difference is"
        f" against {against}, paired on the same clips."
    )
    table = ranked(material, fusions, name="fusions", caption="Systems of several modalities")
    return Section(heading="Fusions", short="Fusions", told=[told], tables=[table])
