"""The wall: who may ask, and what browsers are told."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from mimetic.records import UsageError
from mimetic.web.address import address_of, bind, token_for
from mimetic.web.guard import Guard

TOKEN = "0123456789abcdef"


def asked(**told: object) -> TestClient:
    app = FastAPI()

    @app.get("/page")
    def page() -> dict[str, str]:
        return {"is": "there"}

    @app.post("/page")
    def change() -> dict[str, str]:
        return {"is": "changed"}

    app.add_middleware(Guard, **told)
    return TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "[", ""])
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    answer = asked().get("/page", headers={"Host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:1"])
def test_this_machine_may_ask_by_any_of_its_names(host: str) -> None:
    assert asked().get("/page", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_another_sites_page_cannot_change_anything(headers: dict[str, str]) -> None:
    assert asked().post("/page", headers=headers).status_code == 403


def test_our_own_pages_may_and_links_from_elsewhere_lead_here() -> None:
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert asked().post("/page", headers=own).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert asked().get("/page", headers=link).status_code == 200
    picture = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert asked().get("/page", headers=picture).status_code == 403


def test_every_answer_keeps_browsers_to_what_pages_need() -> None:
    for answer in (asked().get("/page"), asked().get("/nowhere"), asked().get("/page", headers={"Host": "x"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_a_token_is_asked_for_in_a_header_or_a_cookie() -> None:
    client = asked(hosts=["0.0.0.0"], token=TOKEN)
    assert client.get("/page", headers={"Host": "192.0.2.7:8000"}).status_code == 401
    assert client.get("/page", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/page", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/page", headers={"Cookie": f"mimetic={TOKEN}"}).status_code == 200
    assert client.get("/page", headers={"Cookie": "mimetic="}).status_code == 401


def test_the_token_leaves_the_address_for_a_cookie_that_scripts_cannot_read() -> None:
    answer = asked(token=TOKEN).get(f"/page?token={TOKEN}&id=3")
    assert (answer.status_code, answer.headers["location"]) == (303, "/page?id=3")
    assert {"httponly", "samesite=strict"} <= set(answer.headers["set-cookie"].lower().split("; "))
    assert asked(token=TOKEN).get("/page?token=wrong").status_code == 401
    elsewhere = asked(token=TOKEN).get(f"http://127.0.0.1:8000//evil.example/page?token={TOKEN}")
    assert elsewhere.headers["location"] == "/evil.example/page"  # and not //evil.example, which is another machine


def test_all_addresses_without_a_token_are_impossible() -> None:
    with pytest.raises(ValueError, match="token"):
        Guard(FastAPI(), hosts=["0.0.0.0"])


def test_other_addresses_than_this_machines_own_get_a_token() -> None:
    assert token_for("127.0.0.1", None) is None
    made = token_for("0.0.0.0", None)
    assert made is not None
    assert len(made) == 32
    assert token_for("0.0.0.0", None) != made
    with pytest.raises(UsageError, match="too easy"):
        token_for("0.0.0.0", "short")


def test_an_address_that_is_taken_says_so() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert address_of("127.0.0.1", first, "a" * 16) == f"http://127.0.0.1:{port}/?token={'a' * 16}"
        with pytest.raises(UsageError, match="cannot be listened at"):
            bind("127.0.0.1", port)
