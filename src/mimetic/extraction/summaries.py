"""What an extraction did, counted for one feature."""

from __future__ import annotations

from dataclasses import dataclass, field

from mimetic.records import Json


@dataclass(slots=True)
class Summary:
    """What an extraction did for one feature.

    ``failures`` are ``(clip, reason)`` over all its clips, ``damaged`` says which shards were damaged and made again,
    ``seconds`` are of processor time; of them ``decoding`` is the feature's share of what all had in common,
    ``computing`` its model's. ``computed`` tells by which backend, and how far from float32, if by another than torch
    or in less.
    """

    clips: int = 0
    frames: int = 0
    seconds: float = 0.0
    decoding: float = 0.0
    computing: float = 0.0
    failures: list[tuple[str, str]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    computed: Json = field(default_factory=dict)

    def spend(self, seconds: float, decoding: float, computing: float) -> None:
        """Count what a shard took."""
        self.seconds += seconds
        self.decoding += decoding
        self.computing += computing

    def as_json(self) -> Json:
        """Give the summary as ``--json`` prints it."""
        failures = [{"clip": clip, "reason": reason} for clip, reason in self.failures]
        return {
            "clips": self.clips,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "decoding": round(self.decoding, 3),
            "computing": round(self.computing, 3),
            "failures": failures,
            "damaged": self.damaged,
            "computed": self.computed,
        }
