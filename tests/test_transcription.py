"""Speech becomes transcripts: nothing dropped, nothing invented, nothing done twice, no clip harmed by another."""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mimetic import voices
from mimetic.recognisers import Manner, Segment
from mimetic.recognisers.faster import FasterWhisper
from mimetic.recognisers.whisper import Whisper
from mimetic.recognisers.whisper.texts import Written, best, packing, split
from mimetic.records import SAMPLE_RATE, Clip, Json, MissingExtra, NoStream, UnknownName, UsageError
from mimetic.transcription import Summary, transcribe
from mimetic.transcripts import with_side_files
from mimetic.voices import Heard, hear
from mimetic.words import read_words
from tiny_whisper import FIRST_TIME, IDS, make_whisper, script_ids

SCRIPT = (0.0, "hello", 2.0, 2.0, "there", 4.0)


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def sound(seconds: float, *voices: tuple[float, float], seed: int = 0) -> Heard:
    return Heard(samples=noise(seconds, seed), voices=voices or ((0.0, seconds),))


def write_wav(path: Path, samples: NDArray[np.float32]) -> Clip:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((32767 * samples).astype("<i2").tobytes())
    return Clip(id=path.stem, path=path)


def segments_of(recogniser: Whisper | FasterWhisper, *sounds: Heard) -> list[tuple[Segment, ...]]:
    found = dict(recogniser(enumerate(sounds)))
    return [found[index] for index in range(len(sounds))]


def told(segments: Sequence[Segment]) -> list[tuple[float, float, str]]:
    return [(round(s.start, 2), round(s.end, 2), s.text) for s in segments]


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("scripted"), script=SCRIPT, language="de", places=64)


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("random"), places=64)


# ------------------------------------------------------------------------------------ windows and segments


def ids(*script: str | float) -> list[int]:
    return script_ids(script)


def cut(*script: str | float, seconds: float = 30.0) -> tuple[list[tuple[float, float, int]], float]:
    cuts, done = split(ids(*script), FIRST_TIME, seconds)
    return [(round(start, 2), round(end, 2), len(tokens)) for start, end, tokens in cuts], round(done, 2)


def test_times_in_pairs_cut_a_window() -> None:
    assert cut(0.0, "a", 2.0, 2.0, "bc", 4.0) == ([(0.0, 2.0, 3), (2.0, 4.0, 4)], 30.0)


def test_what_broke_off_is_heard_again() -> None:
    assert cut(0.0, "a", 2.0, 2.5, "bc") == ([(0.0, 2.0, 3)], 2.0)


def test_a_window_without_a_pair_is_one_segment() -> None:
    assert cut(0.5, "a", 2.0) == ([(0.5, 2.0, 3)], 30.0)
    assert cut(0.5, "a") == ([(0.5, 30.0, 2)], 30.0)
    assert cut("a") == ([(0.0, 30.0, 1)], 30.0)
    assert cut() == ([(0.0, 30.0, 0)], 30.0)


def test_a_stutter_moves_on_with_its_words() -> None:
    assert cut(0.0, "a", 0.02, 0.02, "bc") == ([(0.0, 0.02, 6)], 30.0)


def test_no_segment_ends_after_its_window() -> None:
    assert cut(0.0, "a", 9.0, 9.0, "b", 12.0, seconds=10.0) == ([(0.0, 9.0, 3), (9.0, 10.0, 3)], 10.0)
    assert cut(0.0, "a", 12.0, 12.0, "b", seconds=10.0)[1] == 10.0


def written(text: str, logprob: float) -> Written:
    return Written(tokens=(), text=text, logprob=logprob, temperature=0.0)


def test_a_loop_is_told_by_how_it_packs() -> None:
    assert packing("and then " * 40) > 2.4 > packing("it was all said only once, and well")
    assert packing("") == 1.0


def test_of_what_does_not_hold_the_likely_goes_before_the_loop() -> None:
    loop, mumble, worse = written("and then " * 40, -0.1), written("a", -1.5), written("b", -2.0)
    assert best([loop, mumble, worse], 0.0) is mumble
    assert best([loop, written("so " * 400, -0.1)], 0.0) is loop
    assert best([mumble, written("c", -0.5)], 0.0).text == "c"


def test_unlikely_words_in_silence_are_invented() -> None:
    assert written("thanks for watching", -1.2).is_silence(0.7)
    assert not written("thanks for watching", -0.2).is_silence(0.7)
    assert not written("thanks for watching", -1.2).is_silence(0.5)


# --------------------------------------------------------------------------------------------- whisper


def test_segments_beyond_thirty_seconds_are_kept(scripted: Path) -> None:
    (segments,) = segments_of(Whisper(scripted, Manner()), sound(70.0))
    assert told(segments) == [
        (at + start, at + start + 2.0, text)
        for at in (0.0, 30.0, 60.0)
        for start, text in ((0.0, "hello"), (2.0, "there"))
    ]


def test_times_are_those_of_the_clip_and_silence_is_not_heard(scripted: Path) -> None:
    (segments,) = segments_of(Whisper(scripted, Manner()), sound(60.0, (3.0, 9.0), (40.5, 43.5)))
    assert told(segments) == [(3.0, 5.0, "hello"), (5.0, 7.0, "there"), (40.5, 42.5, "hello"), (42.5, 43.5, "there")]


def test_nobody_speaks_and_nothing_is_said(scripted: Path) -> None:
    silent = Heard(samples=noise(5.0), voices=())
    assert segments_of(Whisper(scripted, Manner()), silent, sound(5.0), silent)[::2] == [(), ()]


def test_a_broken_off_text_goes_on_where_it_broke(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path, script=(0.0, " one", 10.0, 10.0, " tw"))
    (segments,) = segments_of(Whisper(folder, Manner()), sound(35.0))
    assert told(segments) == [(0.0, 10.0, "one"), (10.0, 20.0, "one"), (20.0, 30.0, "one"), (30.0, 35.0, "one")]


SHORT_AND_LONG = [sound(seconds, seed=seed) for seed, seconds in enumerate((3.0, 33.0, 0.3, 7.0))]


@pytest.mark.parametrize("condition", [False, True])
def test_a_clip_says_the_same_alone_and_in_company(random: Path, condition: bool) -> None:
    alone = [segments_of(Whisper(random, Manner(condition=condition)), one)[0] for one in SHORT_AND_LONG]
    together = segments_of(Whisper(random, Manner(condition=condition, batch=3)), *SHORT_AND_LONG)
    assert [told(segments) for segments in together] == [told(segments) for segments in alone]
    assert {s.temperature for segments in alone for s in segments} != {0.0}  # chance has been drawn


def test_a_window_that_knows_what_was_said_shares_no_batch_with_one_that_does_not(scripted: Path) -> None:
    alone = [segments_of(Whisper(scripted, Manner(condition=True)), one)[0] for one in SHORT_AND_LONG]
    together = segments_of(Whisper(scripted, Manner(condition=True, batch=2)), *SHORT_AND_LONG)
    assert [told(segments) for segments in together] == [told(segments) for segments in alone]


def test_a_batch_is_filled_up_with_clips_that_speak(scripted: Path) -> None:
    recogniser, sizes = Whisper(scripted, Manner(batch=2)), []
    hear_ = recogniser._hear
    recogniser._hear = lambda walks: sizes.append(len(walks)) or hear_(walks)  # type: ignore[method-assign, func-returns-value]
    silent = Heard(samples=noise(5.0), voices=())
    segments_of(recogniser, sound(3.0), silent, silent, sound(33.0), sound(3.0), silent, sound(3.0))
    assert sizes == [2, 2, 1]


def test_the_language_is_heard_or_told(scripted: Path) -> None:
    (segments,) = segments_of(Whisper(scripted, Manner()), sound(3.0))
    assert {s.language for s in segments} == {"de"}
    (segments,) = segments_of(Whisper(scripted, Manner(language="French")), sound(3.0))
    assert {s.language for s in segments} == {"fr"}


def test_the_language_that_is_told_is_shown_to_the_model(random: Path) -> None:
    recogniser = Whisper(random, Manner(language="es"))
    prompts: list[list[int]] = []
    write = recogniser._write
    recogniser._write = lambda hidden, shown, *rest: prompts.extend(shown) or write(hidden, shown, *rest)  # type: ignore[method-assign, func-returns-value]
    segments_of(recogniser, sound(1.0))
    assert prompts[0] == [IDS["<|startoftranscript|>"], IDS["<|es|>"], IDS["<|transcribe|>"]]


def test_what_was_said_is_shown_to_the_model_if_it_is_to_be(scripted: Path) -> None:
    for condition, before in ((False, []), (True, [IDS["<|startofprev|>"], *ids(*SCRIPT)])):
        recogniser = Whisper(scripted, Manner(condition=condition))
        prompts: list[list[int]] = []
        write = recogniser._write
        recogniser._write = lambda hidden, shown, *rest, to=prompts, on=write: (
            to.extend(shown) or on(hidden, shown, *rest)
        )  # type: ignore[method-assign]
        segments_of(recogniser, sound(31.0))
        assert prompts[1][:-3] == before


def test_a_loop_is_not_shown_to_the_model(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path, script=(0.0, "ha" * 40, 30.0), places=200)
    recogniser = Whisper(folder, Manner(condition=True))
    prompts: list[list[int]] = []
    write = recogniser._write
    recogniser._write = lambda hidden, shown, *rest: prompts.extend(shown) or write(hidden, shown, *rest)  # type: ignore[method-assign, func-returns-value]
    segments_of(recogniser, sound(31.0))
    assert len(prompts) == 12  # two windows, six temperatures
    assert {len(prompt) for prompt in prompts} == {3}


def test_doubts_are_those_that_a_plain_call_gives(random: Path) -> None:
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    heard = sound(2.0)
    (segments,) = segments_of(Whisper(random, Manner(language="en")), heard)
    model = WhisperForConditionalGeneration.from_pretrained(random)
    features = WhisperFeatureExtractor.from_pretrained(random)(heard.samples, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        start = torch.tensor([[IDS["<|startoftranscript|>"]]])
        odds = model(**features, decoder_input_ids=start).logits[0, 0].softmax(-1)
    assert segments[0].no_speech_prob == pytest.approx(float(odds[IDS["<|nospeech|>"]]), rel=1e-4)
    assert all(s.avg_logprob < 0 for s in segments)


def test_greedy_text_is_that_of_transformers_own_generate(scripted: Path, random: Path) -> None:
    """Of one short clip, at temperature 0, where both mean the same."""
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    for folder in (scripted, random):
        recogniser, heard = Whisper(folder, Manner(language="de")), sound(4.0, seed=5)
        features = WhisperFeatureExtractor.from_pretrained(folder)(
            heard.samples, sampling_rate=16_000, return_tensors="pt"
        )
        model = WhisperForConditionalGeneration.from_pretrained(folder)
        theirs = model.generate(
            **features,
            language="de",
            task="transcribe",
            return_timestamps=True,
            max_new_tokens=29,
            force_unique_generate_call=True,
        )
        with torch.inference_mode():
            hidden = recogniser._model.get_encoder()(features.input_features).last_hidden_state
            prompt = recogniser._vocabulary.prompt("de", [])
            (ours,) = recogniser._write(hidden, [prompt], 0.0, [torch.Generator()])
        assert list(ours.tokens)[:29] == [token for token in theirs[0].tolist()[3:] if token != IDS["<|endoftext|>"]]


def test_a_model_of_english_alone_is_not_asked_for_more(tmp_path: Path) -> None:
    folder = make_whisper(tmp_path, script=SCRIPT, language="")
    (segments,) = segments_of(Whisper(folder, Manner(language="en")), sound(3.0))
    assert [s.text for s in segments] == ["hello", "there"]
    with pytest.raises(UnknownName, match="no language 'de'"):
        Whisper(folder, Manner(language="de"))


def test_other_models_and_languages_are_refused(tmp_path: Path, scripted: Path) -> None:
    with pytest.raises(UnknownName, match="no language 'klingon'"):
        Whisper(scripted, Manner(language="klingon"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="holds no Whisper, but bert"):
        Whisper(tmp_path, Manner())


# -------------------------------------------------------------------------------------- faster-whisper


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    converters = pytest.importorskip("ctranslate2.converters")
    pytest.importorskip("faster_whisper")
    folder = make_whisper(tmp_path_factory.mktemp("english"), script=SCRIPT, language="")
    place = tmp_path_factory.mktemp("converted") / "model"
    copied = ["tokenizer.json", "preprocessor_config.json"]
    converters.TransformersConverter(str(folder), copy_files=copied).convert(str(place))
    return place


def test_the_other_backend_says_the_same(converted: Path) -> None:
    silent = Heard(samples=noise(5.0), voices=())
    first, nothing = segments_of(FasterWhisper(converted, Manner()), sound(60.0, (3.0, 9.0), (40.5, 44.5)), silent)
    assert told(first) == [(3.0, 5.0, "hello"), (5.0, 7.0, "there"), (40.5, 42.5, "hello"), (42.5, 44.5, "there")]
    assert {s.language for s in first} == {"en"}
    assert nothing == ()


def test_the_other_backend_refuses_what_it_does_not_know(converted: Path, random: Path) -> None:
    with pytest.raises(UnknownName, match="no language 'de'"):
        FasterWhisper(converted, Manner(language="de"))
    with pytest.raises(UsageError, match=r"no model of CTranslate2 \(model\.bin\)\. ct2-transformers-converter"):
        FasterWhisper(random, Manner())


# ---------------------------------------------------------------------------------------------- voices


def test_real_voices_are_found_and_other_sounds_have_none(shared_data: Path) -> None:
    pytest.importorskip("silero_vad")
    speech = ("audio/jfk.flac", "audio/multilingual.mp3", "video_faces/latentsync_demo2_video.mp4")
    others = ("audio/pyannote_empty.wav", "odd/moviepy_crunching.mp3", "odd/torchcodec_sine_mono_s32_8000.wav")
    for name in speech:
        heard = hear(Clip(id="a", path=shared_data / name), "silero")
        assert sum(end - start for start, end in heard.voices) > 0.9 * heard.seconds, name
    for name in others:
        assert hear(Clip(id="a", path=shared_data / name), "silero").voices == (), name
    (stretch,) = hear(Clip(id="a", path=shared_data / "audio/pyannote_sample.wav"), "silero").voices
    assert stretch == pytest.approx((6.4, 30.0), abs=0.3)


def test_torch_keeps_its_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("silero_vad")
    for name in [name for name in sys.modules if name.partition(".")[0] == "silero_vad"]:
        monkeypatch.delitem(sys.modules, name)
    voices._silero.cache_clear()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    hear(write_wav(tmp_path / "a.wav", noise(1.0)), "silero")
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == 2


def test_a_clip_without_sound_is_missing(shared_data: Path) -> None:
    with pytest.raises(NoStream, match="no sound track"):
        hear(Clip(id="a", path=shared_data / "video_faces/liveportrait_d0.mp4"), "none")
    with pytest.raises(NoStream, match="no media file"):
        hear(Clip(id="a"), "none")


def test_the_extra_is_named_where_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    voices._silero.cache_clear()
    with pytest.raises(MissingExtra, match=r"mimetic\[vad\]"):
        voices.identify("silero")


# ----------------------------------------------------------------------------------------- transcripts


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    folder = tmp_path / "clips"
    folder.mkdir()
    clips = [write_wav(folder / f"{name}.wav", noise(2.0, seed)) for seed, name in enumerate("abcd")]
    (folder / "broken.wav").write_bytes(b"RIFF of nothing")
    return [*clips, Clip(id="broken", path=folder / "broken.wav"), Clip(id="mute")]


def run(clips: Sequence[Clip], folder: Path, model: Path, **options: object) -> Summary:
    return transcribe(clips, folder, model=str(model), **{"vad": "none", "workers": 0, "device": "cpu", **options})  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def document(folder: Path, name: str) -> Json:
    content: Json = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return content


def test_transcripts_are_read_back(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    calls: list[tuple[int, int]] = []
    summary = run(clips, tmp_path / "words", scripted, progress=lambda done, total: calls.append((done, total)))
    assert (summary.clips, summary.kept, summary.spoken, summary.silent) == (6, 0, 4, 0)
    assert summary.missing == [("mute", "no media file")]
    assert [clip for clip, _ in summary.failures] == ["broken"]
    assert calls == [(done, 6) for done in range(7)]
    assert sorted(contents(tmp_path / "words")) == ["a.json", "b.json", "c.json", "d.json"]
    words = read_words(with_side_files(clips, tmp_path / "words")[0])
    assert words.text == "hello there"
    assert words.segments == ((0.0, 2.0, "hello"), (2.0, 2.0, "there"))


def test_a_transcript_says_how_it_came_about(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    run(clips[:1], tmp_path / "words", scripted, condition=True)
    content = document(tmp_path / "words", "a")
    assert (content["text"], content["language"], content["seconds"]) == ("hello there", "de", 2.0)
    assert content["voices"] == [[0.0, 2.0]]
    assert set(content["segments"][0]) == set(Segment.__dataclass_fields__)
    assert content["made"].pop("by").startswith("mimetic ")
    assert content["made"].pop("weights")
    assert content["made"].pop("source")
    assert content["made"] == {
        "backend": "transformers",
        "model": str(scripted),
        "language": "",
        "condition": True,
        "vad": "none",
        "precision": "fp32",
    }


def test_silence_is_an_empty_text_and_not_a_missing_one(tmp_path: Path, scripted: Path) -> None:
    pytest.importorskip("silero_vad")
    clip = write_wav(tmp_path / "a.wav", np.zeros(3 * SAMPLE_RATE, np.float32))
    summary = run([clip], tmp_path / "words", scripted, vad="silero")
    assert (summary.spoken, summary.silent, summary.missing) == (0, 1, [])
    (worded,) = with_side_files([clip], tmp_path / "words")
    assert (read_words(worded).text, document(tmp_path / "words", "a")["segments"]) == ("", [])


def test_what_is_there_is_not_done_again(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    run(clips, tmp_path / "words", scripted)
    before = contents(tmp_path / "words")
    (tmp_path / "words" / "b.json").unlink()
    summary = run(clips[:4], tmp_path / "words", scripted)
    assert (summary.kept, summary.spoken) == (3, 1)
    assert contents(tmp_path / "words") == before


def test_a_job_that_was_killed_goes_on_and_ends_the_same(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    def kill(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    run(clips[:4], tmp_path / "whole", scripted)
    with pytest.raises(KeyboardInterrupt):
        run(clips[:4], tmp_path / "words", scripted, batch=1, progress=kill)
    assert len(contents(tmp_path / "words")) == 2
    assert run(clips[:4], tmp_path / "words", scripted).kept == 2
    assert contents(tmp_path / "words") == contents(tmp_path / "whole")


def test_what_others_wrote_is_never_replaced(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    for name in ("c.json", "c.srt"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text('{"text": "by hand"}')
        with pytest.raises(UsageError, match=rf"{name} is there, and not of our making"):
            run(clips, folder, scripted, again=True)
        assert list(contents(folder)) == [name]


def test_what_was_made_otherwise_is_replaced_only_if_told(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    run(clips[:2], tmp_path / "words", scripted)
    with pytest.raises(UsageError, match=r"2 transcripts .* \(the first: a\)\. .*--again"):
        run(clips, tmp_path / "words", scripted, language="fr")
    assert run(clips[:2], tmp_path / "words", scripted, language="fr", again=True).spoken == 2
    assert document(tmp_path / "words", "a")["language"] == "fr"
    write_wav(clips[0].path or Path(), noise(2.0, 9))
    with pytest.raises(UsageError, match=r"1 transcripts .* from other files"):
        run(clips[:2], tmp_path / "words", scripted, language="fr")


def test_no_id_leads_out_of_the_folder(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    odd = [Clip(id=id_, path=clips[0].path) for id_ in ("../x", "/y.mp4", "a/b.mp4", "../../z?", "..")]
    run(odd, tmp_path / "deep" / "words", scripted)
    assert {path.name for path in tmp_path.iterdir()} == {"clips", "deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"words"}
    assert all(read_words(clip).text == "hello there" for clip in with_side_files(odd, tmp_path / "deep" / "words"))


def test_workers_hear_the_same(tmp_path: Path, clips: list[Clip], scripted: Path) -> None:
    run(clips, tmp_path / "here", scripted)
    summary = run(clips, tmp_path / "there", scripted, workers=1)
    assert [clip for clip, _ in summary.failures] == ["broken"]
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "sphinx"}, "no speech recogniser 'sphinx'"),
        ({"vad": "ear"}, "no voice activity detector 'ear'"),
        ({"precision": "int8"}, "no precision of transformers 'int8'"),
        ({"device": "tpu"}, "no device 'tpu'"),
    ],
)
def test_a_wrong_call_does_nothing(
    tmp_path: Path, clips: list[Clip], scripted: Path, options: Json, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(clips, tmp_path / "words", scripted, **options)
    assert not (tmp_path / "words").exists()


def test_weights_that_are_not_there_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mimetic.checkpoints._is_in_reach", lambda endpoint: False)
    with pytest.raises(UsageError, match="needs openai/whisper-small, which is not a folder here"):
        transcribe([Clip(id="a")], tmp_path, vad="none", workers=0)
