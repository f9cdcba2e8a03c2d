"""The types of options: how a word of the command line becomes a value, or an error that argparse prints."""

from __future__ import annotations

import argparse
from pathlib import Path


def positive(text: str) -> int:
    return whole(text, 1)


def dimension(text: str) -> int:
    return whole(text, 0)


def seed(text: str) -> int:
    return whole(text, 0, 2**32 - 1)  # what NumPy's generator takes


def whole(text: str, least: int, most: int | None = None) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < least or (most is not None and value > most):
        raise argparse.ArgumentTypeError(f"must be {least} or more" + (f", and at most {most}" if most else ""))
    return value


def batch_size(text: str) -> int:
    return whole(text, 2, 65_536)  # batch normalisation needs two values


def image_side(text: str) -> int:
    return whole(text, 32, 1024)


def box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("needs four numbers: left,top,right,bottom in percent") from None
    return left, top, right, bottom


def three(text: str) -> tuple[float, float, float]:
    try:
        alpha, beta, gamma = (float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("needs three numbers: alpha,beta,gamma") from None
    return alpha, beta, gamma


def seeds(text: str) -> list[int]:
    return list(dict.fromkeys(seed(word) for word in words(text)))


def words(text: str) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError("must not be empty")
    return words


def file_or_text(text: str) -> str:
    named = path(text).expanduser()
    return str(named.absolute()) if named.exists() else text  # else it is looked for in the data folder


def path(text: str) -> Path:
    if not text:  # an unset shell variable must not mean the current folder
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)
