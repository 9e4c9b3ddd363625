"""The worker, asked whether it accepts settings."""

import os
import subprocess
from pathlib import Path

from chart import CHECKOUT

BINARY = CHECKOUT / "target/debug/docplanner-worker"

URLS = {"broker": "amqps://worker:secret@broker:5671/%2f", "database": "postgres://worker:secret@database:5432/worker?sslmode=verify-full"}


def complaints(settings: Path) -> str:
    """What `check` says is wrong with a file of settings; nothing if it accepts them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCPLANNER_WORKER")}
    command = [BINARY, "check", "--config", settings]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def complaints_about(settings: str, folder: Path) -> str:
    """The same for what the chart renders, with the files that Secrets would bring."""
    secrets = folder / "secrets"
    for server, url in URLS.items():
        (secrets / server).mkdir(parents=True)
        (secrets / server / "url").write_text(url)
    write_certificate(secrets / "broker")
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (secrets / "database" / name).write_bytes((secrets / "broker" / name).read_bytes())
    (secrets / "tenants").mkdir()
    for line in settings.splitlines():
        _, found, tenant = line.partition('client_secret_file = "/run/secrets/docplanner-worker/tenants/')
        if found:
            (secrets / "tenants" / tenant.rstrip('"')).write_text("client secret")
    (secrets / "elsewhere").write_text("client secret")
    file = folder / "worker.toml"
    file.write_text(
        settings.replace("/run/secrets/docplanner-worker", str(secrets)).replace(
            "/run/secrets/italia/client-secret", str(secrets / "elsewhere")
        )
    )
    return complaints(file)


def write_certificate(folder: Path) -> None:
    """One that is its own CA."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365"]
        + ["-subj", "/CN=worker", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True,
        capture_output=True,
    )
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())
