"""What can go wrong, as a user would name it.

Every message says where, what was seen and what was needed, in one line. The command line prints
the message alone and exits with ``exit_status``; a traceback means a bug of ours.
"""

from __future__ import annotations


def one_line(error: BaseException, most: int = 160) -> str:
    """What an error says, on one line of at most ``most`` characters; its type where it says nothing."""
    return " ".join(str(error).split())[:most] or type(error).__name__


class AuditorError(Exception):
    """Something the user can mend. Printed as one line, without a traceback."""

    exit_status = 1


class InputError(AuditorError):
    """The request cannot be carried out as given: unknown name, unusable file, impossible setting."""

    exit_status = 2


class StorageError(AuditorError):
    """Reading or writing on disk failed (full disk, no permission); nothing half-written is left."""

    exit_status = 1
