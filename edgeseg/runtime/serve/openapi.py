"""Describe the API in the terms of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from edgeseg import __version__

NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def document() -> dict[str, Any]:
    """Give the description of every path that programs may ask."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "edgeseg", "version": __version__},
        "paths": {
            "/healthz": _get("Whether results are computed", "application/json", open_to_all=True),
            "/metrics": _get("Figures of all streams, for Prometheus", "text/plain"),
            "/api/site": _get("Task, classes with their colours, names of streams", "application/json"),
            "/api/results": _get(
                "The newest results by stream, without those known; waits ten seconds for one, then 204",
                "application/json",
                {
                    "name": "known",
                    "in": "query",
                    "description": "number of the result that is known, by stream, such as ?gate=7&yard=12",
                    "style": "form",
                    "explode": True,
                    "schema": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
                },
            ),
            "/api/streams": _get("How every stream is doing", "application/json"),
            "/api/streams/{name}": _get("How a stream is doing", "application/json", NAME),
            "/api/streams/{name}/result": _get(
                "The newest result; waits up to ten seconds for another than `after`, then 204",
                "application/json",
                NAME,
                _query("after", "number of the result that is known"),
            ),
            "/api/streams/{name}/picture.jpg": _get(
                "The picture of a result",
                "image/jpeg",
                NAME,
                _query("number", "of the result; else the newest"),
            ),
            "/api/streams/{name}/labels.png": _get(
                "Classes of pixels (255: none), or places of instances in the result from 1 (0: none)",
                "image/png",
                NAME,
                _query("number", "of the result; else the newest"),
            ),
            "/api/streams/{name}/labels.zlib": _get(
                "The values of labels.png as bytes, row after row of the picture's, in a zlib stream",
                "application/zlib",
                NAME,
                _query("number", "of the result; else the newest"),
            ),
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _get(
    summary: str, kind: str, *parameters: dict[str, Any], open_to_all: bool = False
) -> dict[str, dict[str, Any]]:
    answer: dict[str, Any] = {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": {"description": summary, "content": {kind: {}}}},
    }
    if not open_to_all:
        answer["security"] = [{}, {"token": []}]
    if parameters:
        answer["responses"]["404"] = {"description": "There is no such stream or picture"}
    return {"get": answer}


def _query(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": {"type": "integer", "minimum": 0}}
