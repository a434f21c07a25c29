"""Throw-away certificates in the layout that `DemoCluster` takes: ``ca.pem``, ``node.pem``, ``node.key``."""

from __future__ import annotations

from pathlib import Path

import trustme

__all__ = ["issue"]


def issue(folder: Path, *names: str, authority: trustme.CA | None = None) -> trustme.CA:
    """Write a certificate for `names` (127.0.0.1 unless given) and its authority's into `folder`.

    Returns the authority, which may issue for another folder: a client of that cluster, or with a new one a stranger.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = authority or trustme.CA()
    leaf = authority.issue_cert(*(names or ("127.0.0.1",)))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "node.key")
    (folder / "node.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return authority
