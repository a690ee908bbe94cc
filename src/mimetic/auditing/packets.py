"""What a media file's packets show, and what its header claims: counted and timed, not decoded.

In goes a path, out come its picture and its sound as ``Stream``, and what went wrong on the way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mimetic.media import PATIENCE, find_stream, open_container, words_of
from mimetic.pieces import JUMP, SHORTEST, seconds
from mimetic.records import NoStream


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """A picture or sound track by its packets.

    ``packets`` were counted, ``claimed_packets`` and ``claimed_seconds`` are the header's (``None`` where it says
    nothing), ``seconds`` and ``start`` the timestamps'. ``partial`` tells that a packet was cut off. ``rate`` is in
    packets a second, ``claimed_rates`` what the header says of that. ``digest`` is of the packets' bytes.
    """

    packets: int
    claimed_packets: int | None
    seconds: float
    claimed_seconds: float | None
    start: float
    partial: bool
    rate: float
    claimed_rates: tuple[float, ...]
    digest: str


def read_tracks(path: Path) -> tuple[Stream | None, Stream | None, tuple[str, ...]]:
    """Give a file's picture and sound, ``None`` where it has none, and the errors that were met.

    Raises
    ------
    ClipError
        if the file is not media, or has neither.
    """
    with open_container(path) as container:
        picture, sound = find_stream(container, VideoStream), find_stream(container, AudioStream)
        if picture is None and sound is None:
            raise NoStream("it holds neither picture nor sound")
        tallies = {stream.index: _Tally() for stream in (picture, sound) if stream is not None}
        damage = _read(container, tallies)
        return _stream(picture, tallies), _stream(sound, tallies), damage


@dataclass(slots=True)
class _Tally:
    """What a stream's packets add up to; times in seconds."""

    stamps: list[float] = field(default_factory=list)
    packets: int = 0
    partial: bool = False
    last: float | None = None
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, packet: Packet[Any]) -> None:
        self.packets += 1
        self.partial |= packet.is_corrupt
        self.digest.update(memoryview(packet))
        stamp = seconds(packet.dts if packet.pts is None else packet.pts, packet.time_base)
        self.last = seconds(packet.duration, packet.time_base)
        if stamp is not None:
            self.stamps.append(stamp)


def _read(container: InputContainer, tallies: dict[int, _Tally]) -> tuple[str, ...]:
    """Count the packets of the streams, reading on after errors; give what the errors were."""
    damage: dict[str, None] = {}
    for _ in range(PATIENCE):
        try:
            for packet in container.demux([s for s in container.streams if s.index in tallies]):
                if packet.size:
                    tallies[packet.stream_index].add(packet)
            break
        except av.FFmpegError as error:
            damage[f"file damaged: {words_of(error)}"] = None
    return tuple(damage)


def _stream(stream: VideoStream | AudioStream | None, tallies: dict[int, _Tally]) -> Stream | None:
    """Sum a track up; ``None`` where there is none, or not one packet came of one that claims none."""
    tally = tallies[stream.index] if stream is not None else _Tally()
    if stream is None or not (tally.packets or stream.frames):
        return None
    rates = (stream.average_rate, stream.base_rate) if isinstance(stream, VideoStream) else ()
    length, pace = _timing(np.sort(np.array(tally.stamps)), tally.last)
    return Stream(
        packets=tally.packets,
        claimed_packets=stream.frames or None,
        seconds=length,
        claimed_seconds=seconds(stream.duration, stream.time_base),
        start=min(tally.stamps, default=0.0),
        partial=tally.partial,
        rate=pace,
        claimed_rates=tuple(float(rate) for rate in rates if rate),
        digest=tally.digest.hexdigest(),
    )


def _timing(stamps: NDArray[np.float64], last: float | None) -> tuple[float, float]:
    """Give seconds and packets a second; where the clock jumped, the gap is closed up."""
    gaps = np.diff(stamps)
    gaps = gaps[gaps <= JUMP]
    typical = float(np.median(gaps)) if len(gaps) else 0.0
    shown = last if last is not None and SHORTEST <= last <= JUMP else typical
    span = float(gaps.sum())
    return (span + shown if len(stamps) else 0.0), (len(gaps) / span if span else 0.0)
