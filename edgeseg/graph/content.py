"""Keep a model's bytes in an open file: read when needed, in memory no longer."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

from edgeseg.errors import ExportError
from edgeseg.reading import hash_of, identity_of, open_regular

MAX_FILE_BYTES = 2**31 - 1  # of a protobuf message


class Content:
    """The bytes of a model, in a file that stays open: what is read later is what was read first.

    Another file in its place is never seen, and a change of the file itself is refused.

    Args:
        descriptor: of the file; closed with this object.
        name: of the model, for messages.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._identity = identity_of(os.fstat(descriptor))
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def of_file(cls, path: Path) -> Content:
        """Open a regular file.

        Raises:
            ExportError: if it is larger than a model can be.
            OSError: as `open_regular`.
        """
        with open_regular(path) as file:
            content = cls(os.dup(file.fileno()), str(path))
        size = os.fstat(content._descriptor).st_size
        if size > MAX_FILE_BYTES:
            raise ExportError(f"{path} has {size} bytes, an .onnx file holds at most {MAX_FILE_BYTES}")
        return content

    @classmethod
    def of_bytes(cls, data: bytes, name: str) -> Content:
        """Put bytes into a file without a name, which is gone with this object.

        Raises:
            ExportError: if there is no room for it.
        """
        try:
            with tempfile.TemporaryFile(prefix="edgeseg-") as file:
                file.write(data)
                file.flush()
                return cls(os.dup(file.fileno()), name)
        except OSError as error:
            where, why = tempfile.gettempdir(), error.strerror or error
            raise ExportError(
                f"{where} does not take the {len(data)} bytes of {name} ({why}); set TMPDIR to another folder"
            ) from error

    def read(self) -> bytes:
        """Read it whole.

        Raises:
            ExportError: if the file was changed since it was opened.
            OSError: if it cannot be read.
        """
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            data = file.read()
        self._refuse_changed()
        return data

    def sha256(self) -> str:
        """Hash it without reading it whole; raises as `read`."""
        with open(self._descriptor, "rb", closefd=False) as file:
            digest = hash_of(file)
        self._refuse_changed()
        return digest

    def _refuse_changed(self) -> None:
        if identity_of(os.fstat(self._descriptor)) != self._identity:
            raise ExportError(f"{self._name} was changed while it was read; try again")
