"""The few verbs of a Confluent-compatible schema registry that the worker needs, over HTTP with the standard library.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html; Apicurio serves it at /apis/ccompat/v7.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from worker.errors import ConfigError, RegistryError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
LONGEST_REASON = 300


class SchemaRegistry:
    """One registry. `credentials`: user and password for HTTP Basic; `ca_file`: PEM, None: the system's authorities."""

    def __init__(
        self,
        url: str,
        *,
        credentials: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname or "@" in address.netloc:
            raise ConfigError("the registry's URL must be http://… or https://…, without user and password in it")
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
        if credentials is not None:
            token = base64.b64encode(":".join(credentials).encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
        self._opener = build_opener(HTTPSHandler(context=_tls(ca_file)), _Stay())

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """The schema's id under the subject; a new version unless it is there already. Raises RegistryError."""
        return int(self._post(f"/subjects/{quote(subject, safe='')}/versions", schema)["id"])

    def find(self, subject: str, schema: Mapping[str, Any]) -> int | None:
        """The schema's id if this very schema is registered under the subject. Raises RegistryError."""
        try:
            return int(self._post(f"/subjects/{quote(subject, safe='')}", schema)["id"])
        except _NotThere:
            return None

    def _post(self, path: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps({"schemaType": "JSON", "schema": json.dumps(schema, ensure_ascii=False)}).encode()
        request = Request(self._url + path, data=body, headers=self._headers)  # noqa: S310 (checked in __init__)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                answer = json.load(response)
        except HTTPError as error:
            with error:
                if 300 <= error.code < 400:
                    raise RegistryError(f"{self._url}: {_moved(error)}") from None
                reason = _reason(error)
            refused = _NotThere if error.code == 404 and reason.code in NOT_THERE else RegistryError
            raise refused(f"{self._url}: the registry answers {error.code}{reason.text}") from None
        except (URLError, OSError, HTTPException) as error:
            why = getattr(error, "reason", None) or error
            raise RegistryError(f"{self._url}: the registry cannot be reached: {why}") from error
        except ValueError:
            raise RegistryError(f"{self._url}: what answers there is no schema registry: not JSON") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
            raise RegistryError(f"{self._url}: what answers there is no schema registry: no id in its answer")
        return answer


NOT_THERE = frozenset({40401, 40402, 40403})
"""Subject, version or schema not found; a 404 without one of these is another server's, or another path."""


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: the password would go along to another host, and a POST would become a GET."""

    def redirect_request(self, *_: object) -> None:
        """No other request."""


class _NotThere(RegistryError):
    """The registry does not know the subject, or not this schema under it."""


class _Reason:
    """What the registry says itself about a refusal."""

    def __init__(self, code: int | None, text: str) -> None:
        self.code = code
        self.text = text


def _moved(error: HTTPError) -> str:
    """Where it moved to, without what may be a secret in that address."""
    try:
        address = urlsplit(error.headers.get("Location", ""))
        where = f" to {address.scheme}://{address.netloc.rpartition('@')[2]}" if address.netloc else ""
    except ValueError:
        where = ""
    return (
        f"the registry answers {error.code}, a redirect{where}, which is not followed: "
        "name the address it moved to as the registry's URL"
    )


def _reason(error: HTTPError) -> _Reason:
    try:
        answer = json.load(error)
        code, message = answer["error_code"], str(answer["message"])[:LONGEST_REASON]
    except (ValueError, KeyError, TypeError, OSError):
        return _Reason(None, " (is the path of its API missing in the URL?)" if error.code == 404 else "")
    return _Reason(code, f": {message}")


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"schema_registry.ca_file: {ca_file}: no PEM certificates: {error}") from error
