"""Files in any encoding: what is certain is read for certain, and the rest by what languages look like."""

# ruff: noqa: RUF001 - letters of other alphabets are what this is about

from __future__ import annotations

from pathlib import Path

import pytest

from mimetic.encodings import decode
from mimetic.records import Clip
from mimetic.words import read_words

SENTENCES = {
    "cp1252": (
        "Tous les êtres humains naissent libres et égaux.",
        "Déjà ?",
        "Weißt du, warum der Bär böse war?",
        "¡Qué alegría verte, señor!",
        "Não sei o que você está fazendo.",
        "Perché non mi hai detto che è già partito?",
        "Det är inte varmt.",
        "Rødgrød med fløde er en dansk specialitet.",
        "Mitä sinä teet täällä?",
        "Hvað ertu að gera?",
        "It\u2019s a naïve cliché, isn\u2019t it?",
        "“Well,” he said \u2013 and left…",
        "We had a café au lait.",
    ),
    "cp1250": (
        "Nie wiem, dlaczego żółw przyszedł tak późno.",
        "Nevím, co se stalo, ale určitě to bylo včera večer.",
        "Köszönöm szépen, nagyon jól érzem magam.",
        "Sva ljudska bića rađaju se slobodna.",
        "Ce vrei să mănânci?",
    ),
    "cp1251": ("Я не знаю, о чём ты говоришь.", "Де моя книга?", "Къде е книгата ми?"),
    "koi8-r": ("Я не знаю, о чем ты говоришь.",),
    "cp1253": ("Πού είναι το βιβλίο μου;",),
    "cp1254": ("Ne yapt\u0131ğ\u0131n\u0131 bilmiyorum, ama çok güzel görünüyor.",),
    "cp1255": ("איפה הספר שלי?",),
    "cp1256": ("أين كتابي؟",),
    "cp1257": ("Visi žmonės gimsta laisvi ir lygūs savo orumu.",),
    "gb18030": ("我的书在哪里？", "你好吗？", "人人生而自由，在尊严和权利上一律平等。"),
    "big5": ("我的書在哪裡？", "人人生而自由，在尊嚴和權利上一律平等。"),
    "cp932": ("私の本はどこですか？",),
    "euc_jp": ("私の本はどこですか？",),
    "cp949": ("내 책은 어디 있어요?",),
}
PAIRS = [(encoding, sentence) for encoding, sentences in SENTENCES.items() for sentence in sentences]
ENGLISH = "1\n00:00:01,000 --> 00:00:02,000\nNobody knows what happened there.\n\n" * 20
TELLING = [*PAIRS, ("cp1252", "José said no.")]


@pytest.mark.parametrize(("encoding", "sentence"), PAIRS)
def test_a_short_text_of_one_byte_encodings_is_read(encoding: str, sentence: str) -> None:
    assert decode(sentence.encode(encoding)) == (sentence, encoding)


@pytest.mark.parametrize(("encoding", "sentence"), TELLING)
def test_one_line_among_many_english_ones_tells_the_encoding(encoding: str, sentence: str) -> None:
    text = f"{ENGLISH}21\n00:01:00,000 --> 00:01:02,000\n{sentence}\n"
    assert decode(text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize("text", ["hi", "café 我的书", ENGLISH, "1\n00:01 --> 00:02\nДа.\n", "好 \U0001f600 好 ..."])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_is_read_with_a_mark_and_without(encoding: str, mark: str, text: str) -> None:
    assert decode((mark + text).encode(encoding)) == (text, encoding)


def test_ascii_is_utf_8() -> None:
    assert decode(b"hi") == ("hi", "utf-8")
    assert decode(b"") == ("", "utf-8")


def test_a_damaged_file_in_utf_8_stays_one() -> None:
    text = "Ich h\u00e4tte nicht gedacht, dass es so sch\u00f6n w\u00e4re. " * 3
    assert decode(text.encode() + b"\xc3 \xff!") == (text + "\ufffd \ufffd!", "utf-8")


def test_a_large_file_is_judged_by_its_beginning() -> None:
    text = "Я не знаю, о чём ты говоришь.\n" * 40_000
    assert decode(text.encode("cp1251")) == (text, "cp1251")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("windows-1251", "cp1251"), ("ISO-8859-2", "iso8859-2"), ("Shift_JIS", "cp932"), ("iso-8859-1", "cp1252")],
)
def test_a_declared_encoding_wins(tmp_path: Path, declared: str, encoding: str) -> None:
    said = {"cp1251": "\u0451\u0451", "iso8859-2": "\u015b\u0107", "cp932": "\u6f22", "cp1252": "\u2019\u00d0\u00bc"}[
        encoding
    ]
    path = tmp_path / "a.ttml"
    path.write_bytes(f'<?xml version="1.0" encoding="{declared}"?>\n<tt><p>{said}</p></tt>'.encode(encoding))
    words = read_words(Clip(id="a", words=path))
    assert (words.text, words.encoding) == (said, encoding)


@pytest.mark.parametrize("declared", ["unicode_escape", "rot13", "base64", "utf-7", "klingon", "idna"])
def test_no_declaration_makes_us_expand_anything(tmp_path: Path, declared: str) -> None:
    path = tmp_path / "a.ttml"
    path.write_bytes(f'<?xml version="1.0" encoding="{declared}"?>\n<tt><p>\\u0041 +AGE- caf\u00e9</p></tt>'.encode())
    words = read_words(Clip(id="a", words=path))
    assert (words.text, words.encoding) == ("\\u0041 +AGE- caf\u00e9", "utf-8")


def test_a_wrong_declaration_falls_to_what_is_certain(tmp_path: Path) -> None:
    path = tmp_path / "a.ttml"
    path.write_bytes('<?xml version="1.0" encoding="euc-jp"?>\n<tt><p>so \u2014 so</p></tt>'.encode())
    assert read_words(Clip(id="a", words=path)).text == "so \u2014 so"


# ------------------------------------------------------------------------------------------ real files

REAL = {
    "cdown-srt/gb2312.srt": (
        "gb18030",
        "宇宙守护神 保护我们远离邪恶 他能徒手抓住子弹 拦住疾速的火车 轻轻一跳就能飞跃高楼",
    ),
    "mp4parser/Tears_Of_Steel_nld.vtt": ("utf-8", "Je bent een eikel, Thom."),
    "mp4parser/Tears_Of_Steel_rus.vtt": ("utf-8", "Ты придурок, Том!"),
    "mp4parser/Tears_Of_Steel_per.vtt": ("utf-8", "باشه"),
    "mp4parser/count-subs-deutsch.srt": ("utf-8", "F\u00fcnf Vier Drei Zwei Eins"),
    "webvtt-py/captions_with_bom.vtt": ("utf-8", "Caption text #1"),
    "webvtt-py/comments.vtt": ("utf-8", "Det \u00e4r inte varmt."),
    "pysubs2/ttml_example.ttml": ("utf-8", "It seems a paradox"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_with_the_right_characters(shared_data: Path, name: str) -> None:
    encoding, said = REAL[name]
    words = read_words(Clip(id="a", words=shared_data / "transcripts" / name))
    assert words.encoding == encoding
    assert said in words.text


def test_every_real_file_without_a_sign_beyond_ascii_is_plain(shared_data: Path) -> None:
    files = sorted(path for path in (shared_data / "transcripts").rglob("*") if path.is_file())
    assert len(files) > 40
    beyond = {path for path in files if any(byte > 127 for byte in path.read_bytes())}
    assert {path.relative_to(shared_data / "transcripts").as_posix() for path in beyond} <= set(REAL)
    for path in files:
        text, encoding = decode(path.read_bytes())
        assert "\ufffd" not in text, path
        assert encoding == ("gb18030" if path.name == "gb2312.srt" else "utf-8"), path


@pytest.mark.parametrize(
    ("name", "encoding"), [("rus", "cp1251"), ("rus", "koi8-r"), ("rus", "utf-16-le"), ("per", "cp1256")]
)
def test_real_subtitles_are_read_in_other_encodings_too(shared_data: Path, name: str, encoding: str) -> None:
    path = shared_data / "transcripts" / "mp4parser" / f"Tears_Of_Steel_{name}.vtt"
    text = path.read_text("utf-8-sig").replace("\u06cc", "\u064a")  # Windows has the Arabic yeh alone
    data = text.encode(encoding, errors="ignore")
    assert decode(data) == (data.decode(encoding), encoding)
