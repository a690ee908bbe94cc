"""Transcripts as found in the wild: each gives its words or a reason, and known files give known words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mimetic.encodings import LARGEST
from mimetic.records import BadData, Clip, ClipError, NoStream, Words
from mimetic.transcripts import read_table, with_side_files
from mimetic.words import WORD_SUFFIXES, find_words, read_words

SRT = """1
00:00:01,000 --> 00:00:02,500
Hello <i>there</i>,
you &amp; I

2
00:01:00,250 --> 01:00:03,000
{\\an8}caf\u00e9<br>au\\Nlait
"""
SRT_SEGMENTS = ((1.0, 2.5, "Hello there, you & I"), (60.25, 3603.0, "caf\u00e9 au lait"))


def read(tmp_path: Path, name: str, content: str | bytes) -> Words:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_words(Clip(id="a", words=path))


def cues(tmp_path: Path, content: str, suffix: str = ".srt") -> list[tuple[float, float, str]]:
    return list(read(tmp_path, f"a{suffix}", content).segments)


# ------------------------------------------------------------------------------------- where they are


def test_given_text_goes_before_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from the file")
    clip = Clip(id="a", path=tmp_path / "a.mp4", text=" so  it\nwas given ")
    assert read_words(clip) == Words(text="so it was given", source="given")


def test_given_text_may_be_empty() -> None:
    assert read_words(Clip(id="a", text="")) == Words(text="")


def test_a_named_file_goes_before_one_beside_the_clip(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("beside")
    (tmp_path / "other.txt").write_text("named")
    words = read_words(Clip(id="a", path=tmp_path / "a.mp4", words=tmp_path / "other.txt"))
    assert words == Words(text="named", source="other.txt", encoding="utf-8")


def test_files_beside_the_clip_count_in_the_order_of_their_suffixes(tmp_path: Path) -> None:
    clip = Clip(id="a", path=tmp_path / "a.b.mp4")
    for suffix in reversed(WORD_SUFFIXES):
        side = tmp_path / f"a.b{suffix}"
        side.write_text("x")
        assert find_words(clip) == side


@pytest.mark.parametrize(
    "clip",
    [
        Clip(id="a"),
        Clip(id="a", path=Path("nowhere/a.mp4")),
        Clip(id="a", words=Path("nowhere/a.txt")),
    ],
)
def test_no_transcript_is_missing(clip: Clip) -> None:
    assert find_words(clip) is None
    with pytest.raises(NoStream, match=r"^no transcript$"):
        read_words(clip)


@pytest.mark.parametrize("suffix", [*WORD_SUFFIXES, ".xml"])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\n", b"\xff\xfe", b"\xff\xfe\0\0"])
def test_an_empty_transcript_is_a_fact(tmp_path: Path, suffix: str, content: bytes) -> None:
    words = read(tmp_path, f"a{suffix}", content)
    assert (words.text, words.segments, words.source) == ("", (), f"a{suffix}")


# ------------------------------------------------------------------------------------------ real ones


def test_every_real_transcript_gives_words_or_a_reason(shared_data: Path) -> None:
    files = [path for path in sorted((shared_data / "transcripts").rglob("*")) if path.is_file()]
    refused = set()
    for path in files:
        try:
            words = read_words(Clip(id="a", words=path))
        except ClipError:
            refused.add(path.name)
            continue
        assert not any(mark in words.text for mark in ("-->", "WEBVTT", "<c", "</", "\\N", "\ufeff", "  ")), path
        assert all(0 <= start <= end for start, end, _ in words.segments), path
        assert words.text == " ".join(text for _, _, text in words.segments), path
    assert refused == {p.name for p in files if p.suffix == ".sbv"} | {f"invalid_format{i}.srt" for i in (1, 2, 3)}


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("cdown-srt/ascii.srt", 3, (27.0, 30.73, "ascii"), (34.1, 36.57, "ascii everywhere")),
        ("mp4parser/count-subs-deutsch.srt", 5, (5.0, 6.0, "F\u00fcnf"), (20.0, 21.0, "Eins")),
        ("mp4parser/subs.srt", 120, (73.964, 75.727, "I have to go home."), (5275.527, 5277.757, "Please!")),
        ("webvtt-py/comments.vtt", 3, (135.0, 140.0, "- Ta en kopp varmt te. - Det \u00e4r inte varmt."), None),
        ("webvtt-py/cue_tags.vtt", 3, (16.5, 18.5, "When the moon hits your eye"), (20.5, 21.5, "That's amore")),
        ("webvtt-py/styles.vtt", 1, (0.0, 10.0, "- Hello world."), None),
        ("webvtt-py/using_identifiers.vtt", 6, None, (23.88, 27.28, "Caption text #6")),
        ("pysubs2/ttml_example.ttml", 11, (0.76, 3.45, "It seems a paradox, does it not,"), None),
        ("pysubs2/ttml_example2.ttml", 10, (1.375, 5.75, "TOP SAMPLE TEXT"), None),
        ("pysubs2/ttml_example_apple.ttml", 38, (19.764, 21.9, "When you were here be fore"), None),
    ],
)
def test_real_transcripts_say_what_they_say(
    shared_data: Path, name: str, count: int, first: tuple[float, float, str], last: tuple[float, float, str]
) -> None:
    segments = read_words(Clip(id="a", words=shared_data / "transcripts" / name)).segments
    assert len(segments) == count
    assert first in (None, segments[0])
    assert last in (None, segments[-1])


def test_the_same_subtitles_say_the_same_in_both_formats(shared_data: Path) -> None:
    folder = shared_data / "transcripts" / "pycaption"
    srt, vtt = (read_words(Clip(id="a", words=folder / f"example{suffix}")) for suffix in (".srt", ".vtt"))
    assert len(srt.segments) == 1847
    assert srt.segments == vtt.segments


# ----------------------------------------------------------------------------------------- subtitles


@pytest.mark.parametrize(
    "data",
    [
        SRT.encode(),
        SRT.encode("utf-8-sig"),
        SRT.encode("utf-16"),
        b"\xff\xfe" + SRT.encode("utf-16-le"),
        b"\xfe\xff" + SRT.encode("utf-16-be"),
        SRT.encode("cp1252"),
        SRT.replace("\n", "\r\n").encode(),
        SRT.replace("\n", "\r").encode(),
        SRT.replace(",000", ".000").replace(",500", ".5").encode(),
    ],
)
def test_srt_reads_in_every_encoding(tmp_path: Path, data: bytes) -> None:
    words = read(tmp_path, "a.srt", data)
    assert words.segments == SRT_SEGMENTS
    assert words.text == "Hello there, you & I caf\u00e9 au lait"
    assert words.source == "a.srt"


def test_bytes_that_no_encoding_has_are_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", b"caf\xe9 \x81").text == "caf\u00e9 \ufffd"
    assert read(tmp_path, "b.txt", b"\xff\xfea\0b").text == "a\ufffd"


def test_webvtt_loses_its_markup_and_asides(tmp_path: Path) -> None:
    text = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE two lines
of a note

first
01:02.500 --> 01:03.000 align:start position:0%
<v Roger Bingham>We <b.loud>are</b> in</v> <00:01:02.700><c.yellow>New</c> York &lt;3

NOTE the end
"""
    assert cues(tmp_path, text, ".vtt") == [(62.5, 63.0, "We are in New York <3")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:01,0 --> 00:00:02,0\na\n\n00:00:03.5 --> 00:00:04\nb", [(1, 2, "a"), (3.5, 4, "b")]),
        ("1\n00:01 --> 00:02\na\n2\n00:03 --> 00:04\nb", [(1, 2, "a"), (3, 4, "b")]),
        ("1\n00:01 --> 00:02\na\n00:03 --> 00:04\nb", [(1, 2, "a"), (3, 4, "b")]),
        ("1\n00:05 --> 00:02\na", [(5, 5, "a")]),
        ("1\n00:01 --> 00:02\na\n\nb\n\n2\n00:03 --> 00:04\nc", [(1, 2, "a b"), (3, 4, "c")]),
        ("1\n00:01 --> 00:02\na\n\n2\n00:0x --> 00:04\nb", [(1, 2, "a b")]),
        ("1\n00:01 --> 00:02\na\n\n2\nb\n\n3\n00:05 -> 00:06\nc", [(1, 2, "a b"), (5, 6, "c")]),
        ("1\n\n00:01 --> 00:02\n\na\n\n2\n\n00:03 --> 00:04\n\nb", [(1, 2, "a"), (3, 4, "b")]),
        ("1\n00:01 --> 00:02\n \n\n2\n00:03 --> 00:04\nb", [(3, 4, "b")]),
        ("1\n00: 00: 01, 000 --> 00:00:02,000\nb", []),
        ("WEBVTT\n00:01.000 --> 00:02.000\na < b and I <3 you", [(1, 2, "a < b and I <3 you")]),
        ("1\n00:01 --> 00:02\n42\n\n2\n00:03 --> 00:04\n43", [(1, 2, "42"), (3, 4, "43")]),
    ],
)
def test_broken_cues_keep_their_words(tmp_path: Path, text: str, expected: list[tuple[float, float, str]]) -> None:
    if expected:
        assert cues(tmp_path, text) == expected
    else:
        with pytest.raises(ClipError, match="no line with times"):
            cues(tmp_path, text)


def test_numbers_no_integer_can_hold_break_nothing(tmp_path: Path) -> None:
    digits = "9" * 6000
    assert cues(tmp_path, f"00:01 --> 00:02\na&#{digits};\n{digits}:00:00 --> 00:02\nb") == [(1, 2, "a b")]
    with pytest.raises(ClipError, match="not JSON"):
        read(tmp_path, "a.json", f'{{"text": {digits}}}')
    words = read(tmp_path, "a.ttml", f'<tt><p begin="{digits}s" end="2s">a</p></tt>')
    assert (words.text, words.segments) == ("a", ())


# ----------------------------------------------------------------------------------------- timed text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_ttml_reads_whatever_its_declaration_claims(tmp_path: Path, encoding: str) -> None:
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        '<tt xmlns="http://www.w3.org/ns/ttml"><head><title>no speech</title></head><body><div>'
        '<p begin="1.5s" end="2s">  caf\u00e9<br/>au <span>la</span>it </p><p>untimed</p></div></body></tt>'
    )
    words = read(tmp_path, "a.ttml", text.encode(encoding))
    assert words.segments == ((1.5, 2.0, "caf\u00e9 au lait"),)
    assert words.text == "caf\u00e9 au lait untimed"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ('begin="00:00:01.500" end="00:01:02"', (1.5, 62.0)),
        ('begin="00:00:01:05" dur="500ms"', (1.2, 1.7)),
        ('begin="25f" end="2m"', (1.0, 120.0)),
        ('begin="10000000t" end="1h"', (1.0, 3600.0)),
        ('begin="3.25" end="1:04.5"', (3.25, 64.5)),
    ],
)
def test_ttml_tells_time_in_all_its_ways(tmp_path: Path, times: str, expected: tuple[float, float]) -> None:
    rates = 'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25" ttp:tickRate="10000000"'
    (segment,) = read(tmp_path, "a.xml", f"<tt {rates}><p {times}>x</p></tt>").segments
    assert segment[:2] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('<!DOCTYPE tt [<!ENTITY a "ha">]><tt><p>&a;</p></tt>', "declares a document type"),
        ("<tt><p>unclosed</tt>", "not well-formed"),
        ("<tt><p>&unknown;</p></tt>", "not well-formed"),
        ("<html><p>x</p></html>", "no timed text"),
    ],
)
def test_xml_that_is_no_timed_text_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ClipError, match=reason):
        read(tmp_path, "a.ttml", text)


# ----------------------------------------------------------------------------------------------- JSON

SEGMENTS = [
    {"start": 0.5, "end": 1, "text": " Hello", "words": [{"word": "Hello", "start": 0.5, "end": 1, "score": 0.9}]},
    {"start": 1.0, "end": 2.5, "words": [{"word": "dear"}, {"word": "you"}]},
    {"start": float("nan"), "end": 3, "text": "lost  in time"},
]


@pytest.mark.parametrize("value", [SEGMENTS, {"segments": SEGMENTS, "language": "en"}])
def test_json_gives_segments(tmp_path: Path, value: object) -> None:
    words = read(tmp_path, "a.json", json.dumps(value))
    assert words.text == "Hello dear you lost in time"
    assert words.segments == ((0.5, 1.0, "Hello"), (1.0, 2.5, "dear you"))


@pytest.mark.parametrize("value", ["Hello  there", {"text": " Hello there"}, {"transcript": "Hello there"}])
def test_json_may_be_no_more_than_a_text(tmp_path: Path, value: object) -> None:
    assert read(tmp_path, "a.json", json.dumps(value)).text == "Hello there"


def test_json_text_goes_before_that_of_its_segments(tmp_path: Path) -> None:
    value = {"text": "Hello, there.", "segments": [{"start": 0, "end": 1, "text": "Hello"}]}
    words = read(tmp_path, "a.json", json.dumps(value))
    assert (words.text, words.segments) == ("Hello, there.", ((0.0, 1.0, "Hello"),))


@pytest.mark.parametrize("value", [[], {"segments": []}, {"text": ""}, ""])
def test_json_may_say_that_nobody_spoke(tmp_path: Path, value: object) -> None:
    assert read(tmp_path, "a.json", json.dumps(value)).text == ""


def test_json_of_whisper_timestamped_and_whisperx_is_read(tmp_path: Path) -> None:
    word = {"text": "Hello", "start": 0.5, "end": 0.9, "confidence": 0.8}
    timestamped = {"text": " Hello", "segments": [{"id": 0, "seek": 0, "start": 0.5, "end": 1.0, "text": " Hello"}]}
    assert read(tmp_path, "a.json", json.dumps(timestamped)).segments == ((0.5, 1.0, "Hello"),)
    timestamped = {"segments": [{"words": [word, {**word, "text": "you", "end": 1.2}]}], "language": "en"}
    assert read(tmp_path, "a.json", json.dumps(timestamped)).segments == ((0.5, 1.2, "Hello you"),)
    aligned = [{"word": "It's", "start": 2.0, "end": 2.2, "score": 0.9}, {"word": "1984"}]  # it aligns no numbers
    segment = {"start": 2.0, "end": 3.0, "text": " It's 1984", "words": aligned}
    whisperx = json.dumps({"segments": [segment], "word_segments": aligned})
    assert read(tmp_path, "a.json", whisperx).segments == ((2.0, 3.0, "It's 1984"),)


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '"a\\ud800b"').text == "a?b"


@pytest.mark.parametrize("text", ["{", "{}", "null", "3", "[1]", '{"segments": "x"}', "[" * 100_000])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ClipError, match="JSON"):
        read(tmp_path, "a.json", text)


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("suffix", [*WORD_SUFFIXES, ".xml"])
@pytest.mark.parametrize("data", [b"a\0b", b"\x7fELF\x01\x02\x03\x04", bytes(range(1, 256)), bytes(range(256)) * 4])
def test_what_is_not_text_is_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    with pytest.raises(ClipError, match=r"^the transcript is not text$"):
        read(tmp_path, f"a{suffix}", data)


def test_other_kinds_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"one of \.txt.* not 'a\.sbv'"):
        read(tmp_path, "a.sbv", "0:00:00.0,0:00:01.0\nx")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ClipError, match="larger than 16 MB"):
        read_words(Clip(id="a", words=path))


# ----------------------------------------------------------------------------------------- all clips


def table(tmp_path: Path, name: str, content: str | bytes) -> dict[str, str]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


EXPECTED = {"00012": "Well, hello there", "00013": ""}


@pytest.mark.parametrize("header", ["Filename,text", "id,Words", " clip ,transcript", "video_id,transcription"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_gives_the_words_of_all_clips(tmp_path: Path, header: str, encoding: str) -> None:
    content = f'{header}\r\n00012.mp4,"Well, hello\r\nthere"\r\n\r\n00013,\r\n'
    assert table(tmp_path, "w.csv", content.encode(encoding)) == EXPECTED


@pytest.mark.parametrize(
    "value",
    [
        {"00012.mp4": "Well, hello there", "00013": "", "00014": None},
        {"00012": {"text": "Well,  hello there", "segments": []}, "00013.WEBM": {"text": ""}},
        {"00012": [{"text": "Well,"}, {"text": "hello there"}], "00013": []},
        [{"Filename": "00012", "text": "Well, hello there"}, {"Filename": "00013.mp4", "text": ""}],
        [{"id": "00012", "words": "Well, hello there"}, {"id": "00013", "words": ""}, {"id": "x", "words": None}],
    ],
)
def test_a_json_file_gives_the_words_of_all_clips(tmp_path: Path, value: object) -> None:
    assert table(tmp_path, "w.json", json.dumps(value)) == EXPECTED


def test_only_suffixes_of_media_leave_an_id(tmp_path: Path) -> None:
    csv = "id,text\nsession.1/a.mov,x\nv1.5,y\n007,z"
    assert table(tmp_path, "w.csv", csv) == {"session.1/a": "x", "v1.5": "y", "007": "z"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.csv", "id,text\na,x\na.mp4,y", r"w\.csv, line 3: the id 'a' stands twice"),
        ("w.csv", "id,text\na,Well, hello", r"w\.csv, line 2: 3 cells under 2 columns"),
        ("w.csv", "id,text\na,x\n ,y", r"w\.csv, line 3: a row without an id"),
        ("w.csv", 'id,text\na,"x', r"w\.csv, line 2: unexpected end"),
        ("w.csv", "id,sentence\na,x", r"w\.csv has no column text or .*Its columns: id, sentence"),
        ("w.csv", "text\nx", r"w\.csv has no column filename or"),
        ("w.csv", "", r"w\.csv has no column filename"),
        ("w.csv", b"\0\1\2", r"w\.csv: the transcript is not text"),
        ("w.json", '{"a": "x", "a": "y"}', r"w\.json is no JSON \('a' stands twice\)"),
        ("w.json", '{"a": "x", "a.mp4": "y"}', r"w\.json: the id 'a' stands twice"),
        ("w.json", "{", r"w\.json is no JSON"),
        ("w.json", "3", r"w\.json holds a single value"),
        ("w.json", '{"a": 3}', r"w\.json: 'a' has no text"),
        ("w.json", '["a"]', r"w\.json, record 1: not an object"),
        ("w.json", '[{"id": 12, "text": "x"}]', r"record 1: the id 12 is not a string\. Write ids in quotes"),
        ("w.json", '[{"id": "a"}]', r"w\.json has no column text"),
    ],
)
def test_a_bad_table_is_named_with_its_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(BadData, match=message):
        table(tmp_path, name, content)


def test_a_folder_gives_the_words_of_all_clips(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    for name in ("00012.srt", "a/b.json", "a/b.mp4.txt", "deep/c.vtt", "deep/d.txt", "e.txt", "e.json", "notes.pdf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    ids = ("00012", "a/b.mp4", "a/b.wav", "other/c.mp4", "x/d", "y/d", "e", "f")
    clips = with_side_files([Clip(id=id_, text="given") for id_ in ids], folder)
    found = {clip.id: clip.words.relative_to(folder).as_posix() for clip in clips if clip.words}
    assert found == {"00012": "00012.srt", "a/b.mp4": "a/b.mp4.txt", "a/b.wav": "a/b.json", "e": "e.txt"}
    assert [clip.text for clip in clips if clip.words is None] == ["given"] * 4
    assert {clip.text for clip in clips if clip.words} == {None}


def test_a_bare_name_is_found_in_whatever_folder_the_clip_is(tmp_path: Path) -> None:
    for name in ("c.vtt", "d.txt"):
        (tmp_path / name).touch()
    clips = with_side_files([Clip(id=id_) for id_ in ("clips/c.mp4", "x/d", "y/d")], tmp_path)
    assert [clip.words for clip in clips] == [tmp_path / "c.vtt", None, None]


def test_a_folder_of_other_clips_is_bad_data(tmp_path: Path) -> None:
    (tmp_path / "z.srt").touch()
    with pytest.raises(BadData, match=r"words of none of the clips\. .* there are: z"):
        with_side_files([Clip(id="a")], tmp_path)


def test_an_absent_table_is_bad_data(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="No such file"):
        read_table(tmp_path / "w.csv")
