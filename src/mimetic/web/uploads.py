"""A stranger's file comes in: counted while it comes, into a private folder, and gone after use.

In goes a request's body, the bytes of one clip; out comes a folder with one file in it, its name ours, and perhaps a
second with its words. What the user calls the file is kept for showing only, and never becomes part of a path.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import Clip
from mimetic.web.limits import HELD_BYTES, STALL, UPLOADS
from mimetic.web.problems import Refusal

LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file that somebody sent, in a folder of its own."""

    folder: Path
    clip: Clip
    gone: Callable[[], object]

    def delete(self) -> None:
        """Remove every trace of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.gone()


class Receiver:
    """Takes files in. Its folder is readable by this user alone, and gone when it is closed."""

    def __init__(self, *, most: int = UPLOADS, most_bytes: int = HELD_BYTES) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mimetic-"))
        self._most, self._most_bytes = most, most_bytes
        self._held: dict[Path, int] = {}

    def close(self) -> None:
        """Remove whatever is still there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def take(self, request: Request, *, name: str, words: str | None, most: int) -> Upload:
        """Receive the request's body.

        Raises
        ------
        Refusal
            413 if it has more bytes than ``most``, 400 if it has none or breaks off, 408 if it stops coming, 429 if
            there are too many files, or bytes of them, here already.
        """
        _check_claim(request, most)
        upload = self._begin(name, words)
        try:
            await self._write(request, upload, most)
        except ClientDisconnect:
            upload.delete()
            raise Refusal(400, "the connection broke off before the whole file was here") from None
        except BaseException:
            upload.delete()
            raise
        return upload

    def _begin(self, name: str, words: str | None) -> Upload:
        if len(self._held) >= self._most:
            raise Refusal(429, f"{len(self._held)} files are here already", remedy="Try again in a while.", wait=10)
        folder, shown = Path(tempfile.mkdtemp(dir=self.folder)), shown_name(name)
        self._held[folder] = 0
        clip = Clip(id=shown, path=folder / f"clip{_suffix(shown)}", words=_write_words(folder, words))
        return Upload(folder=folder, clip=clip, gone=lambda: self._held.pop(folder, None))

    async def _write(self, request: Request, upload: Upload, most: int) -> None:
        assert upload.clip.path is not None
        with upload.clip.path.open("wb") as file:
            async for chunk in _chunks(request):
                self._held[upload.folder] += len(chunk)
                if self._held[upload.folder] > most:
                    raise _too_large(most)
                if sum(self._held.values()) > self._most_bytes:
                    raise Refusal(429, "too many bytes are here already", remedy="Try again in a while.", wait=10)
                await run_in_threadpool(file.write, chunk)
        if not self._held[upload.folder]:
            raise Refusal(400, "the file is empty", remedy="Send the bytes of a clip as the body.")


def _check_claim(request: Request, most: int) -> None:
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed) > most:
        raise _too_large(most)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the file has more than {most >> 20} MB", remedy="Send a shorter or smaller clip.")


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """Yield what comes; whoever keeps a connection open and sends nothing is let go."""
    stream = aiter(request.stream())
    while True:
        try:
            with anyio.fail_after(STALL):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refusal(408, f"nothing came for {STALL:g} seconds") from None
        if chunk:
            yield chunk


def shown_name(name: str) -> str:
    """Make of what a user calls a file something that can be shown: one line, of bounded length, without folders.

    >>> shown_name("../../etc/passwd"), shown_name(""), shown_name("a b.mp4")
    ('passwd', 'clip', 'a b.mp4')
    """
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(c for c in unicodedata.normalize("NFC", last) if c.isprintable()).strip(" .")
    if len(printable) > LONGEST_NAME:
        suffix = _suffix(printable)
        printable = printable[: LONGEST_NAME - len(suffix)] + suffix
    return printable or "clip"


def _suffix(name: str) -> str:
    """Give the name's suffix if it is one that media have: a hint for FFmpeg, which decides by content."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in MEDIA_SUFFIXES else ""


def _write_words(folder: Path, words: str | None) -> Path | None:
    """Write the words that came with a clip, as subtitles if they look like some."""
    if words is None:
        return None
    kind = ".vtt" if words.lstrip("\ufeff \n").startswith("WEBVTT") else ".srt" if "-->" in words else ".txt"
    path = folder / f"words{kind}"
    path.write_text(words, "utf-8", errors="replace")
    return path
