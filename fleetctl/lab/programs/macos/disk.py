"""df(1) and stat(1) with BSD's options."""

from __future__ import annotations

import os
import time

from ..node import complain, say
from .processes import account

VOLUME = "/dev/disk3s5"
DF_USAGE = "usage: df [-b | -g | -H | -h | -k | -m | -P] [-ailn] [file ...]"
STAT_USAGE = "usage: stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...]"
UNITS = {"k": (1024, "1024-blocks"), "m": (1 << 20, "1M-blocks"), "g": (1 << 30, "1G-blocks")}


def main(argv: list[str], name: str) -> int:
    return _df(argv) if name == "df" else _stat(argv)


def _df(argv: list[str]) -> int:
    unit, title = 512, "512-blocks"
    human = posix = inodes = False
    places: list[str] = []
    for word in argv:
        if not word.startswith("-"):
            places.append(word)
            continue
        for letter in word[1:]:
            if letter in UNITS:
                unit, title = UNITS[letter]
            elif letter in "hH":
                human = True
            elif letter == "P":
                posix = True
            elif letter == "i":
                inodes = True
            elif letter not in "abln":
                complain(f"df: illegal option -- {letter}\n{DF_USAGE}")
                return 64
    wide = not posix or inodes
    size, left = ("Size", "Avail") if human else (title, "Available")
    head = f"{'Filesystem':14} {size:>11} {'Used':>9} {left:>9} Capacity"
    say(head + (" iused ifree %iused " if wide else "") + " Mounted on")
    status = 0
    for place in places or ["/"]:
        try:
            found = os.statvfs(place)
        except OSError as error:
            complain(f"df: {place}: {error.strerror}")
            status = 1
            continue
        total = found.f_blocks * found.f_frsize
        free = found.f_bavail * found.f_frsize
        used = total - found.f_bfree * found.f_frsize
        share = -(-used * 100 // (used + free)) if used + free else 100
        sizes = [_human(n) if human else str(n // unit) for n in (total, used, free)]
        files = ""
        if wide:
            in_use = found.f_files - found.f_ffree
            files = f"{in_use:>6} {found.f_ffree:>6} {in_use * 100 // max(found.f_files, 1):>4}% "
        say(
            f"{VOLUME:14} {sizes[0]:>11} {sizes[1]:>9} {sizes[2]:>9} {share:>6}%  {files}"
            "  /System/Volumes/Data"
        )
    return status


def _human(number: float) -> str:
    for letter in "B", "Ki", "Mi", "Gi":
        if number < 1024:
            return (
                f"{number:.0f}{letter}"
                if number >= 10 or letter == "B"
                else f"{number:.1f}{letter}"
            )
        number /= 1024
    return f"{number:.1f}Ti"


def _stat(argv: list[str]) -> int:
    form = '%d %i %Sp %l %Su %Sg %r %z "%Sa" "%Sm" "%Sc" "%SB" %k %b %#Xf %N'
    follow = quiet = False
    clock = "%b %e %H:%M:%S %Y"
    places: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            places += words
        elif not word.startswith("-") or word == "-":
            places.append(word)
        else:
            for position, letter in enumerate(word[1:], 1):
                if letter in "ft":
                    value = word[position + 1 :] or next(words, "")
                    form, clock = (value, clock) if letter == "f" else (form, value)
                    break
                if letter not in "FLlnqrsx":
                    complain(f"stat: illegal option -- {letter}\n{STAT_USAGE}")
                    return 1
                follow |= letter == "L"
                quiet |= letter == "q"
    status = 0
    for place in places:
        try:
            found = os.stat(place) if follow else os.lstat(place)
        except OSError as error:
            if not quiet:
                complain(f"stat: {place}: stat: {error.strerror}")
            status = 1
            continue
        say(_format(form, clock, place, found))
    return status


def _format(form: str, clock: str, place: str, found: os.stat_result) -> str:
    text, rest = "", form
    while rest:
        before, percent, rest = rest.partition("%")
        text += before
        if not percent:
            break
        strings = False
        while rest[:1] in tuple("#+-0 123456789.SOXD"):
            strings |= rest[0] == "S"
            rest = rest[1:]
        part = ""
        if rest[:1] in ("H", "L", "M") and rest[1:2] in ("p", "d", "r"):
            part, rest = rest[0], rest[1:]
        text += _datum(rest[:1], part, strings, clock, place, found)
        rest = rest[1:]
    return text


def _datum(
    letter: str, part: str, strings: bool, clock: str, place: str, found: os.stat_result
) -> str:
    times = {"a": found.st_atime, "m": found.st_mtime, "c": found.st_ctime, "B": found.st_ctime}
    if letter in times:
        moment = times[letter]
        return time.strftime(clock, time.localtime(moment)) if strings else str(int(moment))
    if letter == "p":
        if strings:
            return _mode(found.st_mode)
        low = found.st_mode & 0o7777
        return f"{low & 0o777:o}" if part == "L" else f"{found.st_mode:o}"
    if letter == "u":
        return account(found.st_uid) if strings else str(found.st_uid)
    values = {
        "d": found.st_dev, "i": found.st_ino, "l": found.st_nlink, "g": found.st_gid, "r": 0,
        "z": found.st_size, "b": found.st_blocks, "k": found.st_blksize, "f": 0, "v": 0,
        "N": place, "n": "\n", "t": "\t", "%": "%", "@": "",
    }  # fmt: skip
    return str(values.get(letter, ""))


def _mode(mode: int) -> str:
    kind = {0o04: "d", 0o12: "l", 0o02: "c", 0o06: "b", 0o14: "s", 0o01: "p"}.get(mode >> 12, "-")
    bits = "".join(c if mode >> shift & 1 else "-" for shift, c in zip(range(8, -1, -1), "rwx" * 3))
    return kind + bits
