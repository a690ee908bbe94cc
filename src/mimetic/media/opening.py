"""A path becomes an open container, or a reason in words; and what tells a file's content from another's."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from mimetic.records import ClipError

PLAYLISTS = frozenset({"hls", "applehttp", "concat", "dash", "imf"})
"""FFmpeg's formats that name other files: whoever sends one could have any file of this machine read."""

EDGE = 64 << 10
"""Bytes at either end of a file that its fingerprint covers."""

S = TypeVar("S", VideoStream, AudioStream)


def fingerprint(path: Path) -> str:
    """Give a cheap identity of a file's content: what is in it, not what it is called.

    The hexadecimal BLAKE2b digest (16 bytes) of the size in bytes as a decimal number, the first 64 KiB and the
    last 64 KiB; in a file shorter than both, they overlap. A change in the middle that keeps the size goes unseen.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest = hashlib.blake2b(str(size).encode(), digest_size=16)
            for start in (0, max(0, size - EDGE)):
                file.seek(start)
                digest.update(file.read(EDGE))
    except OSError as error:
        raise ClipError(f"cannot be read: {words_of(error)}") from error
    return digest.hexdigest()


def open_container(path: Path) -> InputContainer:
    """Open a file for reading, and nothing but a file; ``ClipError`` says in words why not."""
    # "file:", since a colon in a name is no protocol; the whitelist, since a playlist must not reach the network.
    options = {"protocol_whitelist": "file", "pattern_type": "none"}
    try:
        if not path.is_file():  # a pipe would block
            raise ClipError("not a file" if path.exists() else "no such file")
        if not path.stat().st_size:
            raise ClipError("the file is empty")
        container = av.open(f"file:{path}", mode="r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise ClipError(f"cannot be opened: {words_of(error)}") from error
    if PLAYLISTS.isdisjoint(container.format.name.split(",")):
        return container
    container.close()
    raise ClipError("a playlist: it names other files, and is none")


def find_stream(container: InputContainer, kind: type[S]) -> S | None:
    """Give the stream that FFmpeg holds for the best of its kind, cover art apart."""
    best = container.streams.best("video" if kind is VideoStream else "audio")
    streams = [
        stream
        for stream in container.streams
        if isinstance(stream, kind) and not stream.disposition & Disposition.attached_pic
    ]
    return next((stream for stream in streams if stream is best), streams[0] if streams else None)


def words_of(error: Exception) -> str:
    """Give the system's or FFmpeg's words for an error."""
    words = str(getattr(error, "strerror", None) or error)
    return words[:1].lower() + words[1:]
