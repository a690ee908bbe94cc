"""The OpenAPI description is true: whatever is asked, no answer is a 5xx or one that is not declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from mimetic.datasets import open_dataset
from mimetic.web.app import create_app
from mimetic.web.site import Site
from served import Place, client_of

schemathesis = pytest.importorskip("schemathesis")

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""What is held: of the others, some ask for more than is promised (bytes that are no clip are taken in, too)."""


@pytest.fixture(scope="module")
def described(place: Place) -> Iterator[Any]:
    with Site([place.runs], open_dataset(place.data)) as site:
        yield schemathesis.openapi.from_asgi("/openapi.json", create_app(site, hosts=["testserver"]))


OPERATIONS = [
    ("post", "/api/jobs"),
    ("get", "/api/jobs/{job}"),
    ("delete", "/api/jobs/{job}"),
    ("get", "/api/jobs/{job}/scores"),
    ("get", "/api/jobs/{job}/timeline"),
    ("get", "/api/jobs/{job}/faces"),
    ("post", "/api/live"),
    ("get", "/api/clips"),
    ("get", "/api/clip"),
    ("post", "/api/clip/jobs"),
    ("get", "/api/clip/thumbnail"),
    ("get", "/api/audit"),
    ("get", "/api/runs"),
    ("get", "/api/runs/{run}/history"),
    ("get", "/api/runs/{run}/evaluation"),
    ("get", "/api/comparison"),
    ("get", "/api/training"),
]


def test_every_operation_is_listed_here(described: Any) -> None:
    there = [(made.ok().method, made.ok().path) for made in described.get_all_operations()]
    assert sorted(there) == sorted(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_answer_is_a_5xx_or_undeclared(described: Any, method: str, path: str, mode: str) -> None:
    operation = described[path][method]
    kinds = schemathesis.GenerationMode
    try:
        cases = operation.as_strategy(generation_mode=kinds(mode))
        _ask(cases)
    except Unsatisfiable:
        assert mode == "negative", "nothing can be asked"


def _ask(cases: Any) -> None:
    checks = [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ in CHECKS]
    assert len(checks) == len(CHECKS)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=cases)
    def ask(case: Any) -> None:
        case.call_and_validate(checks=checks)

    ask()


def test_the_description_names_nothing_from_elsewhere(place: Place) -> None:
    with Site([place.run.path]) as site, client_of(site) as client:
        spec = client.get("/openapi.json").json()
        assert spec["openapi"].startswith("3.1")
        assert {"/api/jobs", "/api/jobs/{job}", "/api/clips", "/api/runs"} <= set(spec["paths"])
        for path in ("/", "/clips", "/runs", "/docs"):
            page = client.get(path).text
            assert "//" not in page.replace("http://127.0.0.1", ""), path


def test_every_problem_that_is_declared_is_one(place: Place) -> None:
    with Site([place.run.path]) as site, client_of(site) as client:
        for operations in client.get("/openapi.json").json()["paths"].values():
            for operation in operations.values():
                for status, told in operation["responses"].items():
                    if int(status) >= 400:
                        assert list(told["content"]) == ["application/problem+json"]
        assert client.patch("/api/runs").headers["content-type"] == "application/problem+json"
