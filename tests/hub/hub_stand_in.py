"""A Hub of its own for tests: as much of its HTTP interface as publishing and fetching a model repository need.

Repositories are made, README.md's metadata is looked at, files are announced, large ones put into storage, commits
taken as lines of JSON; model information, trees and files are given out. Writing, and reading what is private, need the
token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

__all__ = ["TOKEN", "HubStandIn", "Repository"]

TOKEN = "hf_standInTokenOfNobody"
_LARGE = 20_000  # bytes from which a file goes to the storage


@dataclass
class Repository:
    """Branches, and the files of each commit."""

    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", {}, set())

    def commit(self, branch: str, added: dict[str, bytes], deleted: set[str]) -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        files = {name: data for name, data in (before | added).items() if name not in deleted}
        count = f"{branch} {len(self.commits)} {sorted(files)}"
        name = hashlib.sha1(count.encode()).hexdigest()
        self.commits[name], self.branches[branch] = files, name
        return name

    def at(self, revision: str) -> str | None:
        return self.branches.get(revision, revision if revision in self.commits else None)


class HubStandIn:
    """Use as a context: ``with HubStandIn() as hub: hub.url``.

    Attributes:
        repositories: by their ids.
        asked: the method and the path of every request.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.storage: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        own = self

        class Handler(_Handler):
            hub = own

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HubStandIn:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        repository = self.repositories[repo_id]
        return repository.commits[str(repository.at(revision))]


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        path = self._asked()
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if not self._may_write():
            return self._json({"error": "Invalid username or password."}, 401)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if match := re.fullmatch(r"/api/models/(.+?)/(preupload|commit|branch)/(.+)", path):
            repository = self.hub.repositories.get(match.group(1))
            if repository is None:
                return self._json({"error": "Repository not found"}, 404, "RepoNotFound")
            step = getattr(self, f"_{match.group(2)}")
            return step(match.group(1), repository, unquote(match.group(3)), body)
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        return self._json({"error": "unknown"}, 404)

    def do_PUT(self) -> None:
        path = self._asked()
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        oid = path.rsplit("/", 1)[-1]
        if hashlib.sha256(data).hexdigest() != oid:
            return self._json({"error": "other content than announced"}, 400)
        self.hub.storage[oid] = data
        return self._json({})

    def do_GET(self) -> None:
        self._read(body=True)

    def do_HEAD(self) -> None:
        self._read(body=False)

    def _read(self, body: bool) -> None:
        path = self._asked()
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+?))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        match = info or file
        repository = self.hub.repositories.get(match.group(1)) if match else None
        if repository is None or (repository.private and not self._may_write()):
            return self._json({"error": "Repository not found"}, 401, "RepoNotFound", body)
        assert match is not None
        revision = unquote((file.group(2) if file else info and info.group(3)) or "main")
        commit = repository.at(revision)
        if commit is None:
            return self._json({"error": f"Invalid rev id: {revision}"}, 404, "RevisionNotFound", body)
        files = repository.commits[commit]
        if file:
            return self._file(files.get(unquote(file.group(3))), commit, body)
        if info and info.group(2) == "tree":
            return self._json([_entry(name, data) for name, data in files.items()], body=body)
        siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
        return self._json(
            {
                "id": match.group(1),
                "sha": commit,
                "private": repository.private,
                "siblings": siblings,
                "tags": [],
            },
            body=body,
        )

    def _file(self, data: bytes | None, commit: str, body: bool) -> None:
        if data is None:
            return self._json({"error": "Entry not found"}, 404, "EntryNotFound", body)
        self.send_response(200)
        self.send_header("ETag", f'"{_git_oid(data)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
        return None

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
        if name in self.hub.repositories:
            return self._json(
                {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}, 409
            )
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repositories[name] = Repository(private)
        return self._json({"url": f"{self.hub.url}/{name}"})

    def _validate(self, card: str) -> None:
        try:
            metadata = yaml.safe_load(card.split("---\n")[1])
        except (IndexError, yaml.YAMLError) as error:
            return self._json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        wrong = [key for key in ("license", "library_name") if not isinstance(metadata.get(key, ""), str)]
        if wrong or not isinstance(metadata.get("datasets", []), list):
            return self._json(
                {"errors": [{"message": f"{wrong or 'datasets'} of another type"}], "warnings": []}, 400
            )
        return self._json({"errors": [], "warnings": []})

    def _preupload(self, _: str, repository: Repository, branch: str, body: bytes) -> None:
        if branch not in repository.branches:
            return self._json({"error": f"Invalid rev id: {branch}"}, 404, "RevisionNotFound")
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["size"] >= _LARGE else "regular",
                "shouldIgnore": False,
            }
            for one in json.loads(body)["files"]
        ]
        return self._json({"files": files})

    def _branch(self, _: str, repository: Repository, branch: str, body: bytes) -> None:
        if branch in repository.branches:
            return self._json({"error": "Reference already exists"}, 409)
        repository.branches[branch] = repository.branches["main"]
        return self._json({})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = [
            {
                "oid": one["oid"],
                "size": one["size"],
                "actions": {"upload": {"href": f"{self.hub.url}/storage/{one['oid']}"}},
            }
            for one in asked["objects"]
        ]
        return self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repo_id: str, repository: Repository, branch: str, body: bytes) -> None:
        added: dict[str, bytes] = {}
        deleted: set[str] = set()
        for line in body.decode().splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                added[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                added[value["path"]] = self.hub.storage[value["oid"]]
            elif one["key"] == "deletedFile":
                deleted.add(value["path"])
        name = repository.commit(branch, added, deleted)
        return self._json(
            {"success": True, "commitOid": name, "commitUrl": f"{self.hub.url}/{repo_id}/commit/{name}"}
        )

    def _asked(self) -> str:
        path = urlsplit(self.path).path
        self.hub.asked.append((self.command, path))
        return path

    def _may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _json(self, content: Any, status: int = 200, code: str = "", body: bool = True) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": _git_oid(data)}


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
