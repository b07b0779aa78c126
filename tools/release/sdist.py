"""Write an sdist again so that equal contents give equal bytes: python tools/release/sdist.py FILE SECONDS

setuptools notes in it when each file was made, by whom, and when the archive was packed.
"""

from __future__ import annotations

import gzip
import io
import stat
import sys
import tarfile
from pathlib import Path

RUNNABLE, READABLE = 0o755, 0o644


def settle(path: Path, made_s: int) -> None:
    """Sort the archive's files, and give all of them one time, one owner, and the modes of git.

    Args:
        path: a `.tar.gz`, which is replaced.
        made_s: seconds since 1970: the time of all files.
    """
    packed = io.BytesIO()
    with tarfile.open(path) as source, tarfile.open(fileobj=packed, mode="w") as target:
        for member in sorted(source.getmembers(), key=lambda one: one.name):
            settled = tarfile.TarInfo(member.name)
            settled.type, settled.size, settled.linkname = member.type, member.size, member.linkname
            settled.mode = RUNNABLE if member.isdir() or member.mode & stat.S_IXUSR else READABLE
            settled.mtime = made_s
            target.addfile(settled, source.extractfile(member) if member.isfile() else None)
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=made_s) as compressed:
        compressed.write(packed.getvalue())


if __name__ == "__main__":
    settle(Path(sys.argv[1]), int(sys.argv[2]))
