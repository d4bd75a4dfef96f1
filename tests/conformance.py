"""Answers held against `/openapi.json`: what a description does not name must not come."""

import re
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator


@dataclass(slots=True)
class Operation:
    """One operation and the paths it serves."""

    method: str
    path: re.Pattern[str]
    told: dict[str, Any]


class Conformance:
    """Every described operation of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._operations = [
            Operation(method.upper(), _pattern(path, told), told)
            for path, its in document["paths"].items()
            for method, told in its.items()
            if told["summary"]
        ]

    def faults(self, method: str, path: str, status: int, content: Any) -> list[str]:  # noqa: ANN401
        """Return what is not as described; nothing for a path that nobody described."""
        for each in self._operations:
            if each.method == method and each.path.fullmatch(path.partition("?")[0]):
                return self._faults_of(each, status, content)
        return []

    def _faults_of(self, operation: Operation, status: int, content: Any) -> list[str]:  # noqa: ANN401
        answer = operation.told["responses"].get(str(status))
        if answer is None:
            return [f"{operation.told['operationId']} does not name status {status}"]
        if "$ref" in answer:
            answer = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        schemas = [each["schema"] for each in answer.get("content", {}).values()]
        validators = [
            Draft202012Validator(schema | {"components": self._document["components"]})
            for schema in schemas
        ]
        found = [[error.message for error in each.iter_errors(content)] for each in validators]
        if not found or any(not each for each in found):
            return []
        return min(found, key=len)


def _pattern(path: str, told: dict[str, Any]) -> re.Pattern[str]:
    parameters = {
        each["name"]: each["schema"]["pattern"].strip("^$")
        for each in told.get("parameters", ())
        if each["in"] == "path"
    }
    return re.compile(re.sub(r"\{(\w+)\}", lambda found: parameters[found[1]], path))
