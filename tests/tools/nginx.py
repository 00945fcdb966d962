"""nginx in front of two gateways, and what a run without it leaves out."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

CONFIG = """
daemon off; master_process off; pid @FOLDER@/pid; error_log @FOLDER@/error.log;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 64m;
  client_body_temp_path @FOLDER@/body; proxy_temp_path @FOLDER@/proxy;
  upstream gateways { @SERVERS@ keepalive 32; }
  server {
    listen 127.0.0.1:@PORT@ backlog=1024;
    location / {
      proxy_pass http://gateways;
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_buffering off;
      proxy_next_upstream error timeout http_503 non_idempotent;
    }
  }
}
"""
"""``max_fails=0``: whom a restart made fail is asked again at once."""

TLS = """
daemon off; master_process off; pid @FOLDER@/pid; error_log @FOLDER@/error.log;
events { worker_connections 256; }
http {
  access_log off; client_max_body_size 64m;
  client_body_temp_path @FOLDER@/body; proxy_temp_path @FOLDER@/proxy;
  server {
    listen 127.0.0.1:@PORT@ ssl;
    ssl_certificate @CERTIFICATE@; ssl_certificate_key @CERTIFICATE@;
    location / {
      proxy_pass http://127.0.0.1:@BEHIND@;
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off; proxy_request_buffering off;
    }
  }
}
"""


def nginx() -> str | None:
    """Return the path of an installed nginx."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def reason() -> str:
    """Say why the tests behind nginx are left out; an empty text if they are not."""
    return "" if nginx() else "No rolling restart behind nginx: it is not installed (nginx-light)."


@asynccontextmanager
async def in_front_of(ports: Sequence[int], port: int, folder: Path) -> AsyncIterator[Path]:
    """Run nginx on a port before these; hand out where it complains."""
    binary = nginx()
    assert binary is not None
    servers = "".join(f"server 127.0.0.1:{known} max_fails=0; " for known in ports)
    text = CONFIG.replace("@FOLDER@", str(folder)).replace("@PORT@", str(port))
    config = folder / "nginx.conf"
    config.write_text(text.replace("@SERVERS@", servers))
    command = (binary, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log"))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        yield folder / "error.log"
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


@contextmanager
def with_tls(port: int, behind: int, certificate: Path, folder: Path) -> Iterator[None]:
    """Run nginx on a port, ending TLS before one server, as an operator would."""
    binary = nginx()
    assert binary is not None
    config = folder / "nginx.conf"
    text = TLS.replace("@FOLDER@", str(folder)).replace("@CERTIFICATE@", str(certificate))
    config.write_text(text.replace("@PORT@", str(port)).replace("@BEHIND@", str(behind)))
    command = [binary, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command)  # noqa: S603 - nginx on our own words
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    sys.stdout.write(f"{reason()}\n" if reason() else "")
