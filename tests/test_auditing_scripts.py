"""Transcripts of one script are found to be one, whatever the recogniser made of them."""

from __future__ import annotations

import numpy as np

from mimetic.scripts import FEWEST, script_groups


def test_case_punctuation_and_fillers_make_no_other_script() -> None:
    groups = script_groups(
        [
            "I never thought that you would come back to this house.",
            "uh, I never thought that you would come back to this house",
            "i never thought you would come back to this house",
            "We are going to win the game tonight, all of us!",
        ]
    )
    assert len(set(groups[:3].tolist())) == 1
    apostrophes = script_groups(["I don't know what to say", "i don\u2019t know what to say"])
    assert apostrophes[0] == apostrophes[1]
    assert groups[3] != groups[0]


def test_what_everybody_says_is_no_script() -> None:
    assert script_groups(["Thank you.", "thank you", "", "Okay so yes"]).tolist() == [-1] * 4
    assert FEWEST == 4


def test_texts_that_share_a_phrase_are_two_scripts() -> None:
    first = "I really admire that and the way you play the old piano at night"
    second = "I really admire that but my brother never wanted to go there again"
    groups = script_groups([first, second])
    assert groups[0] != groups[1]


def test_other_writing_systems_have_words_too() -> None:
    groups = script_groups(["ποτέ δεν το σκέφτηκα αυτό", "Ποτέ δεν το σκέφτηκα αυτό!", "θα νικήσουμε απόψε όλοι μαζί"])
    assert groups[0] == groups[1] != groups[2]
    groups = script_groups(["我从来没有想过这件事情", "我从来没有想过这件事情。", "今天晚上我们会赢", "谢谢"])
    assert groups[0] == groups[1] != groups[2]
    assert groups[3] == -1


def test_blocks_find_what_all_pairs_would() -> None:
    draw = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(300)])
    scripts = [" ".join(draw.choice(words, 12)) for _ in range(700)]
    again = [script.replace(" ", " uh ", 1) for script in scripts]
    groups = script_groups(scripts + again)
    assert (groups[:700] == groups[700:]).all()
    assert len(set(groups.tolist())) == 700


def test_no_texts_make_no_groups() -> None:
    assert script_groups([]).shape == (0,)
