"""What a file is that should have been weights and is not, from its first bytes, with a remedy."""

from __future__ import annotations

from codecs import getincrementaldecoder
from pathlib import Path

from aukit.errors import shown

__all__ = ["description"]

_HEAD = 1 << 16
_ARCHIVES = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_FORMATS = {
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"GGUF": "a GGUF file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
_STYLEGAN = (b"dnnlib", b"torch_utils", b"training.networks", b"training_networks", b"G_ema", b"synthesis")


def description(path: Path) -> str:
    """Say what a file is that is neither PyTorch's nor safetensors, and what to do."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not size:
        return "is empty (0 bytes); download or make it again"
    if not head.strip(b"\0"):
        return f"begins with zeros only ({size:,} bytes), as an unfinished download does; download it again"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")):
        return (
            f"is a web page ({size:,} bytes), not the weights: Google Drive and others send one when a"
            " download must be confirmed or was asked for too often. Open the link in a browser and take"
            " it from there"
        )
    if head.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the file it stands for; run git lfs pull where you cloned it"
    for magic, name in _ARCHIVES.items():
        if head.startswith(magic):
            return f"is a {name} archive; unpack it and name the file in it"
    if head[257:262] == b"ustar":
        return (
            "is a tar archive; unpack it and name the file in it (if PyTorch before 0.1.10 wrote it, load it"
            " there and save it again)"
        )
    for magic, name in _FORMATS.items():
        if head.startswith(magic):
            return f"is {name}, not a PyTorch or safetensors file; take the file of weights"
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5":
        return _pickle(head)
    if _is_text(head):
        start = shown(head.decode(errors="replace"), 40)
        return f"is text ({size:,} bytes) that begins {start!r}; download it again"
    return f"is truncated or no PyTorch or safetensors file ({size:,} bytes); download or make it again"


def _pickle(head: bytes) -> str:
    if not any(word in head for word in _STYLEGAN):
        return (
            "is a pickle that torch.save did not write; reading it could run code that is in it. Take the"
            " file that the authors saved with torch.save or as safetensors"
        )
    if b"tflib" in head:
        return (
            "is NVIDIA's own pickle of StyleGAN2 for TensorFlow; reading it runs code that is in it. If you"
            " trust it, convert it with convert_weight.py of rosinality's stylegan2-pytorch and import what"
            " that writes"
        )
    return (
        "is NVIDIA's own pickle (.pkl of StyleGAN2-ADA and later); reading it runs code that is in it. If you"
        " trust it, convert it to a PyTorch file with g_ema in the names of rosinality's stylegan2-pytorch"
        " and import that"
    )


def _is_text(head: bytes) -> bool:
    try:
        text = getincrementaldecoder("utf-8")().decode(head[:512])
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\r\n\f\x1b" for c in text)
