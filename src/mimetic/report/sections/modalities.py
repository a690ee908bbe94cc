"""Each modality alone: the poster's unimodal rows, ours beside the published."""

from __future__ import annotations

from mimetic.panels import Section
from mimetic.report.material import Material
from mimetic.report.ranking import ranked


def section(material: Material) -> Section | None:
    """Rank the systems of one modality."""
    singles = [system for system in material.systems if system.single]
    if not singles:
        return None
    told = (
        f"Mean of the {len(material.targets)} Pearson correlations on validation, by modality, the best first."
        " The difference is against the best single modality, paired on the same clips."
    )
    table = ranked(material, singles, name="modalities", caption="Systems of one modality")
    return Section(heading="Each modality alone", short="Modalities", told=[told], tables=[table])
