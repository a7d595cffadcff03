"""The RSA keys of WeChat Pay in PEM files: the merchant's own, and those that WeChat Pay signs with."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey


def read_private_key(file: Path) -> RSAPrivateKey:
    """Return the merchant's key from a PEM file."""
    return _parsed_private_key(file.read_bytes())


@lru_cache(maxsize=2)
def _parsed_private_key(pem: bytes) -> RSAPrivateKey:
    """Return the key. OpenSSL checks its primes, which takes longer than the rest of a call."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("WECHAT_PAY_PRIVATE_KEY_FILE must hold an RSA private key")
    return key


def read_verification_key(file: Path) -> RSAPublicKey:
    """Return the public key of WeChat Pay from a PEM file with the key or a platform certificate."""
    raw = file.read_bytes()
    if b"BEGIN CERTIFICATE" in raw:
        key: Any = x509.load_pem_x509_certificate(raw).public_key()
    else:
        key = serialization.load_pem_public_key(raw)
    if not isinstance(key, RSAPublicKey):
        raise TypeError(f"{file} must hold an RSA public key")
    return key
