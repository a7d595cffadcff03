"""The key pairs of the merchant and of the fake WeChat Pay."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def ensure_keys(directory: Path) -> None:
    """Create the RSA key pairs of the merchant and of the platform if they are missing, readable by the owner only."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for owner in ("merchant", "platform"):
        if not (directory / f"{owner}_key.pem").exists() or not (directory / f"{owner}_public.pem").exists():
            _make_pair(directory, owner)


def _make_pair(directory: Path, owner: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write(directory / f"{owner}_public.pem", public)
    _write(directory / f"{owner}_key.pem", private)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)
