"""What the server takes and gives, as JSON Schema for its OpenAPI document, and the reading of what came.

Whatever the schemas allow is accepted, all else is an answer that says what was expected and what came, without
quoting it. Knows no framework.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ulmus.serve.limits import Limits
from ulmus.serve.local import Problem
from ulmus.serve.predictor import Predictor

__all__ = [
    "PROBLEM",
    "Operation",
    "checked",
    "completed",
    "explain_operation",
    "file_operation",
    "given",
    "predict_operation",
    "problems",
    "responses",
    "secured",
    "security",
    "size_of",
]

PROBLEM = "application/problem+json"
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAMES = {str: "a string", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}
_ERRORS = {
    400: "The body is not JSON",
    401: "The token is missing or wrong",
    403: "A request from another page",
    408: "The body came too slowly",
    413: "The body is too large",
    415: "The body is of another media type",
    421: "The Host header names another server",
    422: "The content cannot be used",
    501: "This server does not do that",
    503: "Busy or stopping: try again after the seconds in Retry-After",
}
BODY = (400, 403, 408, 413, 415, 422, 503)  # problems of what takes a body
_STRING = {"type": "string"}
_NUMBERS = {"type": "object", "additionalProperties": {"type": "number"}}


def size_of(text: Any) -> int:
    """The characters of a text or of a pair."""
    return len(text) if isinstance(text, str) else sum(map(len, text))


class Operation(NamedTuple):
    """An operation of the OpenAPI document."""

    summary: str
    extra: dict[str, Any]  # what it takes
    content: dict[str, Any]  # of 200, by media type
    codes: tuple[int, ...]  # of its own problems


def predict_operation(limits: Limits, model: Predictor) -> Operation:
    """`POST /predict`: one text or many."""
    item = _text(limits.characters, model.pairs)
    many = {"type": "array", "items": item, "minItems": 1, "maxItems": limits.texts}
    row = _object(_outcome(model))
    answer = _object({"predictions": {"type": "array", "items": row, "minItems": 1}})
    return Operation("Predict one text or many", _json(_object({"texts": many})), _answer(answer), BODY)


def explain_operation(limits: Limits, model: Predictor) -> Operation:
    """`POST /explain`: one text; the answer is `Explanation.to_dict`."""
    place = {"type": "integer", "minimum": 0}
    by_part = {"type": "object", "additionalProperties": _NUMBERS}
    token = {"start": place, "end": place, "text": _STRING, "scores": _NUMBERS, "parts": by_part}
    answer = {"text": _STRING, **_outcome(model), "base": _NUMBERS, "unit": {"enum": ["word", "segment"]}}
    answer["method"] = {"type": "object", "additionalProperties": _STRING}
    answer["tokens"] = {"type": "array", "items": _object(token, running=_NUMBERS)}
    taken = _json(_object({"text": _text(limits.explained, model.pairs)}))
    return Operation("Say which words decided", taken, _answer(_object(answer, second=place)), BODY)


def file_operation(suffixes: Sequence[str]) -> Operation:
    """`POST /predict/file`."""
    name = {"name": "name", "in": "query", "required": True, "description": "The file's name"}
    ends = "|".join(suffix[1:] for suffix in suffixes)
    column = {
        "name": "text",
        "in": "query",
        "description": "The column of the texts, if not that of the training",
    }
    extra = {
        "parameters": [
            name | {"schema": {"type": "string", "pattern": rf"^[\w-]+\.({ends})$"}},
            column | {"schema": _STRING},
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}
            },
        },
    }
    return Operation("Predict the texts of a file", extra, {"text/csv": {"schema": _STRING}}, (*BODY, 501))


def given(body: bytes, media: str, limits: Limits, *, pairs: bool, key: str) -> list[Any]:
    """The texts in a body: str, or tuples of two. `key`: `texts`, a list of them, or `text`, one.

    Raises Problem: 400, 415 or 422.
    """
    if media.partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "expected a body of the media type application/json. Set the Content-Type header.")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # (not UTF-8 is a ValueError)
        raise Problem(400, "expected JSON, got something else. Send an object in UTF-8.") from None
    example = {"texts": '{"texts": ["..."]}', "text": '{"text": "..."}'}[key]
    if not isinstance(value, dict) or value.keys() != {key}:
        came = f"an object with {len(value):,} other keys" if isinstance(value, dict) else _name(value)
        raise Problem(422, f"expected an object with the one key `{key}`, as in {example}; got {came}.")
    found = value[key] if key == "texts" else [value[key]]
    if not isinstance(found, list) or not 1 <= len(found) <= limits.texts:
        came = f"{len(found):,} of them" if isinstance(found, list) else _name(found)
        raise Problem(422, f"`texts`: expected a list of 1 to {limits.texts:,} texts, got {came}.")
    most = limits.characters if key == "texts" else limits.explained
    return [
        _item(one, f"`{key}`" + f", text {i}" * (key == "texts"), most, pairs) for i, one in enumerate(found)
    ]


def responses(operation: Operation, *, token: bool) -> dict[int | str, dict[str, Any]]:
    """The answers of an operation."""
    done = {200: {"description": "Done", "content": operation.content}}
    return done | problems(*operation.codes, token=token)


def problems(*codes: int, token: bool) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, and that every one may."""
    again = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}}
    return {
        code: {
            "description": _ERRORS[code],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": again} if code == 503 else {}),
        }
        for code in sorted({421, *codes, *({401} if token else ())})
    }


def security(token: bool) -> dict[str, Any]:
    """That an operation needs the token, if there is one."""
    return {"security": [{"bearer": []}]} if token else {}


def secured(token: bool) -> dict[str, Any]:
    """The arguments of a route that takes no body."""
    return {"responses": problems(token=token), "openapi_extra": security(token)}


def completed(document: dict[str, Any], *, token: bool) -> dict[str, Any]:
    """The OpenAPI document with what its operations refer to."""
    parts = document.setdefault("components", {})
    texts = ("type", "title", "detail")
    fields = dict.fromkeys(texts, _STRING) | {"status": {"type": "integer"}}
    parts.setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "description": "Problem details (RFC 9457); detail: what was expected, what came, what to do",
        "properties": fields,
        "required": list(fields),
    }
    if token:
        parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return document


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _outcome(model: Predictor) -> dict[str, Any]:
    """What is predicted."""
    if model.objective.numeric:
        return {"prediction": {"type": "number"}}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {"label": {}, "probabilities": {"type": "object", "additionalProperties": share}}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(most: int, pairs: bool) -> dict[str, Any]:
    one = {"type": "string", "maxLength": most}
    return {"type": "array", "items": one, "minItems": 2, "maxItems": 2} if pairs else one


def _item(value: Any, where: str, most: int, pairs: bool) -> Any:
    """A text, or a tuple of two. Raises Problem: anything else, or too long."""
    if not pairs:
        return checked(value, where, most)
    if not isinstance(value, list) or len(value) != 2:
        came = f"{len(value):,} of them" if isinstance(value, list) else _name(value)
        raise Problem(422, f"{where}: this model takes pairs: expected a list of two strings, got {came}.")
    return tuple(checked(one, where, most) for one in value)


def checked(value: Any, where: str, most: int) -> str:
    """A text that can be predicted. Raises Problem 422: anything else, or too long."""
    if not isinstance(value, str):
        raise Problem(422, f"{where}: expected a string, got {_name(value)}.")
    if len(value) > most:
        raise Problem(
            422, f"{where}: expected at most {most:,} characters, got {len(value):,}. Shorten or divide it."
        )
    if found := _SURROGATE.search(value):
        raise Problem(
            422,
            f"{where}: expected Unicode text, got half a surrogate pair at character {found.start():,}. Remove it.",
        )
    return value


def _name(value: Any) -> str:
    return _NAMES.get(type(value), "a number")
