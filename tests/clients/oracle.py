"""The configuration of Oracle's SDK, as people make it."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TENANCY, USER = "ocid1.tenancy.oc1..x", "ocid1.user.oc1..x"
FINGERPRINT = ":".join(["ab"] * 16)
KEY_ID = f"{TENANCY}/{USER}/{FINGERPRINT}"


def sdk_config(key: rsa.RSAPrivateKey) -> dict[str, str]:
    """Return the configuration of a client that signs with a key."""
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "user": USER,
        "tenancy": TENANCY,
        "fingerprint": FINGERPRINT,
        "region": "us-ashburn-1",
        "key_content": pem.decode(),
    }
