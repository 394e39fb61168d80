"""The one error that users see: a clear line, never a traceback, without secrets."""

import re


class UserError(Exception):
    """Something that the user can put right: what is wrong, where, what to do. Ends the program with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class ParamsError(UserError):
    """params.yaml is not well formed."""

    exit_code = 2


def masked(text: str) -> str:
    """A text without the user names, passwords and tokens of the addresses in it."""
    return re.sub(r"(?<=://)\S*@", "***@", text)


def one_line(text: object, most: int = 300) -> str:
    """A text as a part of a message: one line, printable whatever the user has typed, cut after `most` characters."""
    line = " ".join(str(text).split())
    line = line if len(line) <= most else line[:most] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
