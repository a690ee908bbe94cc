"""The table of extractors: a line for each. ``mimetic list extractors`` prints it."""

from __future__ import annotations

from typing import Any

from mimetic.features.pretrained import PRETRAINED
from mimetic.models import ExtractorEntry
from mimetic.records import MODALITIES, UsageError

FACES = {"detector": "centre", "size": 160, "align": False, "margin": None, "detector_model": None, "crop_fps": None}
"""How a face crop is made. ``None`` leaves it to the detector, which has a use for some of them only."""

EXTRACTORS: dict[str, ExtractorEntry] = {
    "words-hashed": ExtractorEntry(
        target="mimetic.features.hashed:HashedWords",
        about="words and pairs of words, hashed",
        options={"dim": 512},
        view="words",
        modality="text",
        dim=512,
        rate=0.0,
    ),
    "letters": ExtractorEntry(
        target="mimetic.features.letters:Letters",
        about="what is said, letter by letter: for auto, which counts words itself",
        view="words",
        modality="text",
        dim=1,
        rate=0.0,
    ),
    "logmel": ExtractorEntry(
        target="mimetic.features.prosody:LogMel",
        about="log-mel bands, pitch, energy, voicing",
        view="audio",
        modality="audio",
        dim=48,
        rate=50.0,
    ),
    "face-appearance": ExtractorEntry(
        target="mimetic.features.appearance:Appearance",
        about="grey thumbnail, gradients and colours of the face crop",
        view="faces",
        modality="vision",
        dim=400,
        rate=5.0,
        view_options=FACES,
    ),
    "motion-blocks": ExtractorEntry(
        target="mimetic.features.motion:MotionBlocks",
        about="movement of the picture's blocks",
        view="frames",
        modality="motion",
        dim=100,
        rate=10.0,
    ),
    "motion-landmarks": ExtractorEntry(
        target="mimetic.features.landmarks:MotionLandmarks",
        about="facial landmarks and head pose, and how they move",
        view="frames",
        modality="motion",
        dim=40,
        rate=10.0,
        model="mediapipe face_mesh",
        revision="0.10.21",
        extra="face",
    ),
    "motion-openface": ExtractorEntry(
        target="mimetic.features.table:NotExtracted",
        about="OpenFace's 17 action units and 6 of head pose: imported from its CSV",
        view="imported",
        modality="motion",
        dim=23,
        rate=30.0,
        model="OpenFace",
        revision="2.x",
        licence="OpenFace's own: no commercial use",
    ),
    "motion-pyfeat": ExtractorEntry(
        target="mimetic.features.table:NotExtracted",
        about="Py-Feat's 20 action units, 3 of head pose and 7 emotions: imported from its CSV",
        view="imported",
        modality="motion",
        dim=30,
        rate=30.0,
        model="Py-Feat",
        revision="any",
        licence="MIT",
    ),
    **{
        f"own-{modality}": ExtractorEntry(
            target="mimetic.features.table:NotExtracted",
            about=f"{modality} features of your own: imported, +name=NAME+dim=COLUMNS, +fps=HZ if they have a rate",
            options={"name": "features", "dim": 1, "fps": 0.0},
            view="imported",
            modality=modality,
            dim=1,
            rate=0.0,
            licence="yours",
        )
        for modality in MODALITIES
    },
    **PRETRAINED,
}

LIGHT = ("words-hashed", "logmel", "face-appearance", "motion-blocks")
"""One extractor a modality, with nothing downloaded and no extra: what ``extract`` takes when not told."""


class NotExtracted:
    """What stands for features that are only ever imported."""

    def __init__(self, **_: Any) -> None:
        raise UsageError("these features are imported, not extracted", remedy="See `mimetic import --help`.")
