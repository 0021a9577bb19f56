"""The certificates of the fake AWS, made anew for each run."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=1)


def make_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Makes a chain for 127.0.0.1 as long as those of AWS's endpoints, with RSA keys of 2,048 bits as they have:
    root, intermediate, server.

    Returns the paths of the server's chain, of its key, and of the authorities for clients to trust: the root among all
    those that botocore ships, so that a client has as many to read as in Lambda.
    """
    root_key, intermediate_key, server_key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    root = _certificate("bench root", root_key, "bench root", root_key, is_authority=True)
    intermediate = _certificate("bench intermediate", intermediate_key, "bench root", root_key, is_authority=True)
    server = _certificate("bench server", server_key, "bench intermediate", intermediate_key, is_authority=False)
    chain, key, trusted = folder / "chain.pem", folder / "key.pem", folder / "trusted.pem"
    chain.write_bytes(_pem(server) + _pem(intermediate))
    key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    trusted.write_bytes((Path(botocore.__file__).parent / "cacert.pem").read_bytes() + _pem(root))
    return chain, key, trusted


def _certificate(
    subject: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, is_authority: bool
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    usage = {
        "digital_signature": not is_authority,
        "content_commitment": False,
        "key_encipherment": not is_authority,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": is_authority,
        "crl_sign": is_authority,
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
