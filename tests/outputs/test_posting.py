"""What outputs post: a server is verified by the authority that its file has now."""

import ssl
from pathlib import Path

import pytest
import trustme

from prober.outputs.posting import Poster, PostFailed
from tests.daemon.test_renewed_secrets import hearing


async def test_a_renewed_authority_is_used_after_a_failure(tmp_path: Path) -> None:
    file, before, after = tmp_path / "ca.pem", trustme.CA(), trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    after.issue_cert("127.0.0.1").configure_cert(server)
    before.cert_pem.write_to_path(str(file))

    def trust() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(file))

    with hearing(server) as (port, heard):
        async with Poster(timeout=60.0, tls=trust) as poster:
            with pytest.raises(PostFailed, match="CERTIFICATE_VERIFY_FAILED"):
                await poster.post(f"https://127.0.0.1:{port}/", {}, method="GET")
            after.cert_pem.write_to_path(str(file))
            await poster.post(f"https://127.0.0.1:{port}/", {}, method="GET")
    assert heard.get_nowait()
