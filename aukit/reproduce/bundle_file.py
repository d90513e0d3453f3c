"""A bundle on disk: a ZIP file of text members and a manifest, read with bounds and never unpacked."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from aukit.errors import StoreError, shown
from aukit.utils.files import atomic_path
from aukit.utils.outside import require_regular

SCHEMA = 1
"""Raised when members or their columns change."""
MANIFEST = "MANIFEST.json"
DETAILS = {"frames": "predictions of single frames", "people": "sums per person, of no single frame"}
"""What a bundle may hold of its predictions."""

_MOST_BYTES = 2**32
_MOST_MEMBER_BYTES = 2**28
_MOST_MEMBERS = 10_000
_MOST_RATIO = 200
"""Our members shrink to a third or a tenth; what shrinks to a two-hundredth is made to fill memory."""
_NAME = re.compile(r"(?!.*\.\.)[\w+-][\w.+-]*(?:/[\w+-][\w.+-]*){0,3}", re.ASCII)
_DATE = (1980, 1, 1, 0, 0, 0)  # the same content is the same file, whenever it is made


def write_members(path: Path, about: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    """Write a bundle in one step.

    Args:
        path: The ZIP file.
        about: What the manifest says besides schema and members.
        members: Name → content.
    """
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(members.items())}
    manifest = {"schema": SCHEMA, **about, "members": sums}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {MANIFEST: json.dumps(manifest, indent=1).encode(), **members}.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content)


class BundleFile:
    """An open bundle; every member is there and has the content that the manifest names.

    Attributes:
        path: The ZIP file.
        manifest: What it says of itself.
    """

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self._sizes = self._checked_entries()
        self.manifest = self._read_manifest()

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[BundleFile]:
        """Open a bundle and check all of it; a second per 100 MB.

        Raises:
            StoreError: It is no ZIP file, damaged, of another schema, a bomb, or its members are not those of
                its manifest.
            OSError: It cannot be read.
        """
        with ExitStack() as stack:
            try:
                require_regular(path, _MOST_BYTES)
                file = stack.enter_context(zipfile.ZipFile(path))
                bundle = cls(path, file)
                for name in bundle.manifest["members"]:
                    bundle.read(name)
            except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
                raise StoreError(f"{path}: no whole ZIP file ({error}); get the bundle again") from error
            except ValueError as error:
                raise StoreError(f"{path}: {error}; get the bundle again") from error
            yield bundle

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            StoreError: It is not there, damaged, or not what the manifest says.
        """
        expected = self.manifest["members"].get(name)
        if expected is None:
            raise self.error(name, "is not in the bundle")
        content = self._bytes(name)
        if hashlib.sha256(content).hexdigest() != expected:
            raise self.error(name, "is not what the manifest says: it was damaged or changed")
        return content

    def json(self, name: str) -> Any:
        """The value of a JSON member.

        Raises:
            StoreError: As of `read`, or it is no JSON.
        """
        try:
            return _value(self.read(name))
        except (ValueError, RecursionError) as error:
            raise self.error(name, f"is no JSON ({shown(error)})") from error

    def error(self, name: str, text: str) -> StoreError:
        """What to raise about a member."""
        return StoreError(f"{self.path}: {shown(name)} {text}; get the bundle again, or ask its makers")

    def _checked_entries(self) -> dict[str, int]:
        entries = self._file.infolist()
        if len(entries) > _MOST_MEMBERS:
            raise ValueError(f"has {len(entries):,} members, more than {_MOST_MEMBERS:,}")
        sizes: dict[str, int] = {}
        for entry in entries:
            name, size = entry.filename, entry.file_size
            if not _NAME.fullmatch(name) or name != entry.orig_filename or name in sizes:
                what = "twice" if name in sizes else "with a name that leads out of it, or that no bundle has"
                raise ValueError(f"has a member {what}: {shown(entry.orig_filename)}")
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"member {name} is encrypted, or packed in another way than deflated")
            if size > _MOST_MEMBER_BYTES or size > _MOST_RATIO * max(entry.compress_size, 1024):
                raise ValueError(
                    f"member {name} grows from {entry.compress_size:,} to {size:,} bytes: no bundle does that"
                )
            sizes[name] = size
        if sum(sizes.values()) > _MOST_BYTES:
            raise ValueError(f"its members have {sum(sizes.values()):,} bytes, more than {_MOST_BYTES:,}")
        return sizes

    def _read_manifest(self) -> dict[str, Any]:
        if MANIFEST not in self._sizes:
            raise ValueError(f"has no {MANIFEST}: it is no bundle of aukit")
        try:
            content = _value(self._bytes(MANIFEST))
            schema, members = content["schema"], content["members"]
            names = {name for name, digest in members.items() if isinstance(digest, str)}
            if schema == SCHEMA and content["detail"] not in DETAILS:
                raise ValueError(f"unknown detail {content['detail']}")
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{MANIFEST} is not readable ({shown(error)})") from error
        if schema != SCHEMA:
            raise StoreError(
                f"{self.path}: a bundle of schema {shown(schema)}, this version reads {SCHEMA}; verify it"
                f" with the version that made it, aukit {shown(content.get('aukit'))}"
            )
        here = self._sizes.keys() - {MANIFEST}
        if missing := sorted(names - here):
            raise ValueError(f"lacks {shown(missing[0])}, which the manifest names")
        if extra := sorted(here - names):
            raise ValueError(f"has {shown(extra[0])}, which the manifest does not name")
        found: dict[str, Any] = content
        return found

    def _bytes(self, name: str) -> bytes:
        """A member, never more than its entry says."""
        size = self._sizes[name]
        try:
            with self._file.open(name) as member:
                content = member.read(size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise self.error(name, f"is damaged ({shown(error)})") from error
        if len(content) != size:
            raise self.error(name, f"has other than the {size:,} bytes that its entry says")
        return content


def _value(content: bytes) -> Any:
    """The value of a JSON text; NaN and Infinity, which no JSON has and which differ from nothing, are none.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    return json.loads(content, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
