"""What asks to be accepted is not used before somebody has said so."""

from __future__ import annotations

import pytest

from mimetic.features import features
from mimetic.licences import ACCEPT, check_licences
from mimetic.records import UsageError

WANTED = features(["logmel", "wav2vec2-affect", "egemaps"])


def test_a_licence_that_nobody_accepted_is_shown_with_the_way_to_accept_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ACCEPT, raising=False)
    with pytest.raises(UsageError, match=r"CC-BY-NC-SA-4\.0.*--accept wav2vec2-affect"):
        check_licences(WANTED)
    with pytest.raises(UsageError, match=r"openSMILE.*no commercial use"):
        check_licences(WANTED, ["wav2vec2-affect"])


def test_an_accepted_licence_is_no_question_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ACCEPT, "egemaps, something-else")
    check_licences(WANTED, ["wav2vec2-affect"])


def test_a_licence_that_only_names_itself_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ACCEPT, raising=False)
    check_licences(features(["logmel", "wavlm", "gte"]))
