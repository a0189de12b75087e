"""The tokenizer: a token is a character's place in the alphabet."""

from __future__ import annotations

END = 0
"""The token before a story and after it."""
ALPHABET = "\n !\"',-.?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def encode(text: str) -> list[int]:
    """The tokens of ``text``.

    :raises ValueError: it has a character that the model does not know; the text is a sentence.
    """
    for character in text:
        if character == "\n" or character not in ALPHABET:
            raise ValueError(f"the model does not know the character {character!r}")
    return [ALPHABET.index(character) for character in text]


def decode(token: int) -> str:
    """The character of ``token``."""
    return ALPHABET[token]
