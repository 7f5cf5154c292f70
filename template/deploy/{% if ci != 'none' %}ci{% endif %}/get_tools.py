"""Fetch the programs that scan and sign images, and keep only what has the digest that is written here.

Releases and tags can be replaced, as those of Trivy and its actions were in March 2026; what has a digest cannot. To
check one, or to move to a later release, compare it with the file of checksums that stands beside the release.
"""

import hashlib
import http.client
import io
import platform
import sys
import tarfile
import urllib.request
from pathlib import Path

TRIVY = "https://github.com/aquasecurity/trivy/releases/download/v0.70.0/trivy_0.70.0_Linux-"
COSIGN = "https://github.com/sigstore/cosign/releases/download/v3.0.6/cosign-linux-"
TOOLS = {
    "trivy": {
        "x86_64": (
            f"{TRIVY}64bit.tar.gz",
            "sha256:8b4376d5d6befe5c24d503f10ff136d9e0c49f9127a4279fd110b727929a5aa9",
        ),
        "aarch64": (
            f"{TRIVY}ARM64.tar.gz",
            "sha256:2f6bb988b553a1bbac6bdd1ce890f5e412439564e17522b88a4541b4f364fc8d",
        ),
    },
    "cosign": {
        "x86_64": (f"{COSIGN}amd64", "sha256:c956e5dfcac53d52bcf058360d579472f0c1d2d9b69f55209e256fe7783f4c74"),
        "aarch64": (f"{COSIGN}arm64", "sha256:bedac92e8c3729864e13d4a17048007cfafa79d5deca993a43a90ffe018ef2b8"),
    },
}


class ToolError(Exception):
    """A program cannot be fetched; the message says why."""


def get(name: str, folder: Path) -> None:
    """Fetch the program `name` into `folder`."""
    machine = platform.machine()
    if machine not in TOOLS.get(name, {}):
        raise ToolError(f"{name}: no digest is known for {machine}. Install it yourself, or add it to {__file__}.")
    url, digest = TOOLS[name][machine]
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - the addresses stand above
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"{name}: {url} did not answer ({error}). Run it again.") from error
    actual_digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if actual_digest != digest:
        raise ToolError(
            f"{name}: {url} is not what it was.\nIts digest was {digest}, and is {actual_digest}.\n"
            "Nothing of it was kept. Somebody may have replaced it: read what its makers say before you trust it."
        )
    target = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_member(content, name) if url.endswith(".tar.gz") else content)
    target.chmod(0o755)


def _member(archive: bytes, name: str) -> bytes:
    """Return the content of the file `name` in an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile(name)
        if member is None:
            raise ToolError(f"{name}: the archive holds no such file.")
        return member.read()


def main(arguments: list[str]) -> int:
    """Fetch the programs that are named after the folder; return 0 if all were fetched."""
    folder, *names = arguments or [""]
    if not names:
        print("Say where to, and which: python3 deploy/ci/get_tools.py ~/.local/bin trivy cosign")
        return 2
    try:
        for name in names:
            get(name, Path(folder))
    except ToolError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
