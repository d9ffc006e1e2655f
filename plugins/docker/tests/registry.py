"""A registry of images on loopback: what an engine needs to pull one image, and a gate in the middle of its layer.

Source: Docker Registry HTTP API V2, image manifest version 2 schema 2.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import docker

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


class Registry:
    """Serves an image of an engine with one layer more, which the engine does not have. A context manager.

    gate: the second half of a large layer waits for it; half: the first half was sent.
    """

    def __init__(self, client: docker.DockerClient, reference: str) -> None:
        saved = tarfile.open(fileobj=io.BytesIO(b"".join(client.api.get_image(reference))))  # noqa: SIM115
        (listed,) = json.loads(_read(saved, "manifest.json"))
        config = json.loads(_read(saved, listed["Config"]))
        extra = _random_layer()
        config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(extra).hexdigest()}")
        config.setdefault("history", []).append({"created_by": "a layer that no engine has"})
        self.blobs: dict[str, bytes] = {}
        manifest = {
            "schemaVersion": 2, "mediaType": _MANIFEST, "config": self._add(_CONFIG, json.dumps(config).encode()),
            "layers": [self._add(_LAYER, data) for data in (*(_read(saved, name) for name in listed["Layers"]), extra)],
        }  # fmt: skip
        self.manifest = json.dumps(manifest).encode()
        self.gate = threading.Event()
        self.half = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _add(self, kind: str, data: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return {"mediaType": kind, "size": len(data), "digest": digest}

    def __enter__(self) -> Registry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def reference(self) -> str:
        """The image by this registry's address."""
        return f"127.0.0.1:{self._server.server_port}/team/tasks:1"


class _Handler(BaseHTTPRequestHandler):
    registry: Registry
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        part, digest = self.path.rpartition("/")[0], self.path.rpartition("/")[2]
        if self.path == "/v2/":
            kind, data = "application/json", b"{}"
        elif part.endswith("/manifests"):
            kind, data = _MANIFEST, self.registry.manifest
        elif digest in self.registry.blobs:
            kind, data = "application/octet-stream", self.registry.blobs[digest]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(data).hexdigest()}")
        self.end_headers()
        if body and len(data) > 1 << 20:
            self.wfile.write(data[: len(data) // 2])
            self.registry.half.set()
            self.registry.gate.wait(120)
            self.wfile.write(data[len(data) // 2 :])
        elif body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


def _random_layer() -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        file = tarfile.TarInfo("random")
        file.size = 2 << 20
        archive.addfile(file, io.BytesIO(os.urandom(file.size)))
    return layer.getvalue()


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()
