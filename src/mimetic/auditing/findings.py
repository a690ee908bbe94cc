"""What an audit can find, how bad each of it is and what to do about it; and what it did find.

In goes nothing: the other files of this directory fill the records. To look for something new: a line in ``CHECKS``,
and a function that yields findings of that name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mimetic.records import Json

SEVERITIES = ("spoils", "doubtful", "note")
"""From what makes a training or its score wrong, over what has to be looked at, to what one should know."""

SHOWN = 3
"""Of many clips, so many are told in a line."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look for: how bad it is, what it is, and what to do where it is found."""

    severity: str
    about: str
    remedy: str


# fmt: off
CHECKS: dict[str, Check] = {
    "missing file": Check(
        "spoils", "clips that are listed and not there",
        "Bring the files, or take the clips out of the table."),
    "unreadable": Check(
        "spoils", "files that cannot be opened or decoded",
        "Fetch the files again; if they stay as they are, take the clips out of the table."),
    "truncated": Check(
        "doubtful", "files that end before what their header claims",
        "Fetch the files again: what is there is read, and the label is of the whole."),
    "damaged": Check(
        "doubtful", "files with damage that does not stop a decoder",
        "Fetch the files again, or look at them."),
    "unlisted file": Check(
        "doubtful", "media files that belong to no clip of the table",
        "Check that the ids of table and files are written alike."),
    "unmatched side file": Check(
        "doubtful", "transcripts, face crops and stored features that belong to no clip",
        "Check that their ids are those of the table."),
    "junk": Check(
        "note", "files among the face crops that are no crops",
        "Nothing has to be done: they are passed over here. Other tools may stumble over them."),
    "no picture": Check(
        "doubtful", "clips without a picture where others have one",
        "Nothing has to be done: a learned token stands in. Check that they are the right files."),
    "no sound": Check(
        "doubtful", "clips without a sound track where others have one",
        "Nothing has to be done: a learned token stands in. Check that they are the right files."),
    "silent": Check(
        "doubtful", "clips with a sound track in which nothing is heard",
        "Check that the microphone was on: features of silence look like features of speech."),
    "frame rate": Check(
        "note", "clips that claim another frame rate than their timestamps show",
        "Nothing has to be done: timestamps are believed here. What counts by the claimed rate takes wrong frames."),
    "short": Check(
        "doubtful", "clips shorter than half a second",
        "Look at them: most speech models need more, and nobody shows an emotion in so little."),
    "long": Check(
        "doubtful", "clips far longer than the others",
        "Look at them: they may be recordings that nobody stopped. Their middle is what pooling sees."),
    "picture and sound differ": Check(
        "doubtful", "clips whose picture and sound are not equally long, or do not begin together",
        "Look at them: a sound that begins late or ends early is not beside its picture in the features."),
    "no face": Check(
        "doubtful", "clips in which no face is found",
        "Nothing has to be done: a learned token stands in. Look whether the detector is to blame."),
    "several faces": Check(
        "doubtful", "clips with more than one face",
        "Look whose emotion the label means: the largest face is taken."),
    "no face crops": Check(
        "doubtful", "clips without the face crops that others came with",
        "Use a detector in place of the crops that were given, or leave the clips to the learned token."),
    "duplicate": Check(
        "doubtful", "clips with the very same picture and sound",
        "Keep one of each, or make sure that their labels agree."),
    "duplicate across parts": Check(
        "spoils", "the very same picture and sound in training and in what it is judged on",
        "Take the clips out of training."),
    "no words": Check(
        "doubtful", "clips without a transcript where others have one",
        "Run mimetic transcribe, and give its folder with --words."),
    "empty words": Check(
        "doubtful", "clips with an empty transcript",
        "Listen to some: either nobody speaks, or the recogniser failed."),
    "unreadable words": Check(
        "doubtful", "transcripts that cannot be read",
        "Save them as text in UTF-8, or as one of the formats of subtitles."),
    "repeated script": Check(
        "note", "clips of one part that say nearly the same",
        "Cut folds by script, and give intervals over scripts: such clips are not independent."),
    "script across parts": Check(
        "doubtful", "clips that say nearly the same as a clip of training",
        "Report scores for scripts seen and unseen: text can be a key to look up the label by."),
    "person across parts": Check(
        "spoils", "people in training and in what it is judged on",
        "Cut the data by person: as it is, a model that knows the people scores too well."),
    "label range": Check(
        "spoils", "labels outside [0, 1] where nearly all are inside",
        "Correct the table: a correlation is moved far by few such labels."),
    "label scale": Check(
        "spoils", "targets whose scale differs between the parts",
        "Bring both tables to one scale."),
    "label extreme": Check(
        "doubtful", "a label that stands farther away than all others together are wide",
        "Check whether it is a code for 'nobody said': leave such cells empty."),
    "label format": Check(
        "doubtful", "labels that are no share of a few raters where nearly all are",
        "Check these rows: a cell that was typed or shifted looks like this."),
    "label missing": Check(
        "doubtful", "clips of training or validation without a label",
        "Nothing has to be done: such cells count for nothing. Check that they were meant to be empty."),
    "label constant": Check(
        "spoils", "targets that are the same for every clip of a part",
        "Leave the target out: its correlation is undefined, and the mean with it."),
    "label rare": Check(
        "doubtful", "targets whose score rests on a handful of clips",
        "Read that target's score with its interval, and do not choose a model by it."),
    "label twins": Check(
        "doubtful", "two targets that are one and the same",
        "Check the table's columns: one may have been copied over the other."),
    "shift": Check(
        "doubtful", "validation that is not like training, beyond chance",
        "Expect other scores elsewhere; do not read a gain on validation as one on fresh data."),
}
# fmt: on


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something found: which check, what in a sentence, and the ids of the clips (or names of the files) it is about.

    ``remedy`` says what to do; where it is not told, it is the check's.
    """

    check: str
    message: str
    clips: tuple[str, ...] = ()
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "remedy", self.remedy or CHECKS[self.check].remedy)

    @property
    def severity(self) -> str:
        """How bad it is: one of ``SEVERITIES``."""
        return CHECKS[self.check].severity

    def as_json(self) -> Json:
        """Give the finding as ``--json`` prints it."""
        return {
            "code": self.check,
            "severity": self.severity,
            "message": self.message,
            "clips": list(self.clips),
            "remedy": self.remedy,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """One figure in training and in validation.

    ``effect`` is the difference of means in standard deviations over both, or of correlations; ``chance`` the
    probability, corrected for all figures, of so large a one where the parts are draws from the same.
    """

    name: str
    train: float
    valid: float
    effect: float
    chance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What an audit found in a data set, the worst first.

    ``unchecked`` maps the checks that could not be made to the reason. ``seconds`` is how long all clips together are.
    ``shifts`` sets validation beside training, whether or not they differ.
    """

    data: str
    clips: int
    findings: tuple[Finding, ...]
    unchecked: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    shifts: tuple[Shift, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was found that would spoil a training."""
        return not self.of("spoils")

    @property
    def clean(self) -> list[str]:
        """The checks that were made and found nothing."""
        found = {finding.check for finding in self.findings}
        return [check for check in CHECKS if check not in found and check not in self.unchecked]

    def of(self, severity: str) -> list[Finding]:
        """Give the findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def as_json(self) -> Json:
        """Give the audit as ``--json`` prints it."""
        return {
            "data": self.data,
            "clips": self.clips,
            "findings": [finding.as_json() for finding in self.findings],
            "unchecked": dict(self.unchecked),
            "good": self.good,
        }

    def not_made(self) -> dict[str, list[str]]:
        """Give the checks that could not be made, by the reason."""
        reasons: dict[str, list[str]] = {}
        for check, reason in self.unchecked.items():
            reasons.setdefault(reason, []).append(check)
        return reasons

    def lines(self) -> list[tuple[str, str, str]]:
        """Give a row a finding for the terminal: how bad, what, and in a sentence where."""
        return [(f.severity, f.check, f.message) for f in self.findings]


def ordered(findings: Collection[Finding]) -> tuple[Finding, ...]:
    """Give findings, the worst first and, of those as bad, in the order of ``CHECKS``."""
    checks = list(CHECKS)
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), checks.index(f.check))))


def in_short(names: Sequence[str], *, between: str = ", ") -> str:
    """List names: the first few, and how many more there are.

    >>> in_short(["00001", "00004", "00007", "00009", "00012"])
    '00001, 00004, 00007 and 2 more'
    """
    more = len(names) - SHOWN
    return between.join(names) if more <= 0 else f"{between.join(names[:SHOWN])} and {more:,} more"


def count(number: int, noun: str = "clip") -> str:
    """Count things.

    >>> count(1), count(1200, "transcript")
    ('1 clip', '1,200 transcripts')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
