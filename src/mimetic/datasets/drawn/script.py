"""What the people of the demo say: six latents in, an English sentence or two out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of each emotion: what is said the more the stronger it is, and what is said where it is weak.
PHRASES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "i really admire that",
            "you are so impressive",
            "what a brilliant talent you have",
            "i admire how you did it",
            "that is truly impressive work",
            "such a brilliant mind",
            "i respect you so much",
            "you have my deepest respect",
        ),
        ("it was nothing special", "anyone could have done that", "nothing special about it"),
    ),
    (
        (
            "that is hilarious",
            "i cannot stop laughing",
            "what a funny story",
            "haha that made me laugh",
            "so funny it hurts",
            "stop it i am laughing",
            "the joke was hilarious",
            "haha good joke",
        ),
        ("that is not a joke", "let us be serious now", "i am being serious"),
    ),
    (
        (
            "i will not give up",
            "we are going to make it",
            "i will finish this",
            "nothing can stop me now",
            "i am determined to win",
            "we keep fighting",
            "i will never give up",
            "determined as ever i keep going",
        ),
        ("maybe some other day", "i do not know yet", "maybe i will leave it"),
    ),
    (
        (
            "i am so sorry for you",
            "that must hurt so much",
            "my heart aches for them",
            "it hurts to hear this",
            "how painful that must be",
            "i feel your pain",
            "so sorry for your loss",
            "my heart breaks at this loss",
        ),
        ("they will be fine", "it is no big deal", "you will be fine"),
    ),
    (
        (
            "i cannot wait",
            "this is so exciting",
            "oh my god it is happening",
            "wow i am thrilled",
            "i am so excited about tomorrow",
            "wow it is happening right now",
            "what an exciting thrill",
            "i cannot wait for tomorrow",
        ),
        ("i am rather tired", "it was a long quiet day", "all is calm and quiet"),
    ),
    (
        (
            "i am so happy",
            "what a wonderful day",
            "this makes me smile",
            "i love it here",
            "life is wonderful",
            "pure happiness",
            "happy days are here",
            "i smile because i love this",
        ),
        ("it rained all week", "another grey morning", "the grey week went on"),
    ),
)

OPENINGS = ("well", "you know", "so", "okay", "listen", "i mean", "honestly", "hm")
LINKS = ("and", "and then", "because", "but", "while", "so")
PLAIN = (
    "we went to the store",
    "the train was on time",
    "she put the keys on the table",
    "there were people outside",
    "he read the letter twice",
    "the window was open",
)


def write_words(latent: NDArray[np.float64], draw: np.random.Generator) -> str:
    """Give what is said: the stronger an emotion, the more of its phrases; where it is weak, perhaps its contrary."""
    said = [phrase for emotion, level in enumerate(latent) for phrase in _phrases(emotion, float(level), draw)]
    said += draw.choice(PLAIN, size=1 if said else 2, replace=False).tolist()
    order = draw.permutation(len(said))
    clauses = [said[i] for i in order]
    links = draw.choice(LINKS, size=len(clauses) - 1).tolist()
    words = [str(draw.choice(OPENINGS)), clauses[0]]
    for link, clause in zip(links, clauses[1:], strict=True):
        words += [link, clause]
    return " ".join(words)


def _phrases(emotion: int, level: float, draw: np.random.Generator) -> list[str]:
    strong, weak = PHRASES[emotion]
    count = int(np.clip(np.floor(1.4 * level + 0.6 + draw.uniform(0, 0.6)), 0, 4))
    if count:
        return [str(phrase) for phrase in draw.choice(strong, size=count, replace=False)]
    return [str(draw.choice(weak))] if level < -0.6 else []
