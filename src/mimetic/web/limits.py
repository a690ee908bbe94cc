"""How much of everything: the bounds that a stranger's file, or many of them, run into. Constants alone."""

from __future__ import annotations

UPLOAD_BYTES = 256 << 20
"""Of one clip."""

UPLOADS = 40
"""Files that may be here at once: coming, waiting, worked on."""

HELD_BYTES = 4 << 30
"""Of all files that are here at once."""

STALL = 30.0
"""Seconds that a file may stop coming for."""

CONNECTIONS = 256
"""At once."""

HEAD_BYTES = 128 << 10
"""Of a request's address and headers: the words of a clip stand in its address."""

LIVE_BYTES = 16 << 20
"""Of one live window."""

UPLOAD_SECONDS = 600.0
"""That a clip may claim to last."""

PIXELS = 40_000_000
"""Of a picture: 8K has 33 million. What claims more is not decoded."""

DECODING_SECONDS = 120.0
"""Of processor time for one clip."""

WAITING = 32
"""Jobs that may wait at once."""

KEPT = 64
"""Finished jobs whose results are kept in memory, the newest."""

DESKS = 2
"""Runs that are held ready to score at once: each has a decoder process of its own."""

WORDS = 8_000
"""Characters of a transcript that comes with a clip."""

THUMBNAILS = 512
"""Thumbnails kept in memory, the last that were asked for."""

PAGE = 50
"""Clips on a page of the table."""
