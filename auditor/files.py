"""Files on disk: written whole or not at all; arrays without pickle."""

from __future__ import annotations

import io
import os
import secrets
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import InputError, StorageError


def write_bytes(path: Path, content: bytes, *, advice: str = "") -> None:
    """Write a file atomically: beside it first, then renamed over it.

    Args:
        path: Its folders are made where they are missing.
        content: The whole file.
        advice: What the user can do if the file cannot be written; ends the error's sentence.

    Raises:
        StorageError: The file could not be written; the old one, if any, is untouched.
    """
    temporary = path.with_name(f".{path.name[:80]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        hint = f"; {advice}" if advice else ""
        raise StorageError(f"cannot write '{path}': {error.strerror or error}{hint}") from error
    finally:
        with suppress(OSError):  # after the rename it is gone already
            temporary.unlink()


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Save plain numeric arrays as ``.npz``: sorted by name, the same bytes for the same arrays.

    Raises:
        StorageError: The file could not be written.
        TypeError: An array holds Python objects, which would need pickle.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            if array.dtype.hasobject:
                raise TypeError(f"array '{name}' has dtype {array.dtype}; needed plain numbers")
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            # A fixed date, since the clock would change the bytes.
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    write_bytes(path, buffer.getvalue())


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Load every array of an ``.npz``; pickled content is refused.

    Raises:
        InputError: Missing, damaged, or holding pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"arrays '{path}': no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"arrays '{path}': not a readable .npz of plain numbers: {reason}") from None
