"""Text that comes from elsewhere, as it may be shown: in a log, in a table, to a caller."""

from __future__ import annotations

import unicodedata

__all__ = ["one_line"]

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control and format characters, lone surrogates, line and paragraph separators."""


def one_line(text: str) -> str:
    """The text with every character that could begin a line, or hide or turn round what is shown, written as an
    escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _HIDDEN else character for character in text
    )


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
