"""Work that takes long is a job: its progress, its result, its end."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from service.conftest import SALT, stretched

from cryskit.errors import CryskitError
from cryskit.service.body import Content
from cryskit.service.jobs import Job, Jobs
from cryskit.service.problems import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

LATER = {"Prefer": "respond-async"}


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    for _ in range(400):
        found: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
        if found["state"] not in {"waiting", "running"}:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_a_job_has_the_rows_of_a_request(client: TestClient) -> None:
    asked = {"structures": [SALT, stretched(1.1)], "properties": ["band_gap"]}
    begun = client.post("/v1/predict", json=asked, headers=LATER)
    assert begun.status_code == 202
    assert begun.headers["location"] == f"/v1/jobs/{begun.json()['id']}"
    found = ended(client, begun.json())
    assert (found["state"], found["done"], found["total"]) == ("done", 2, 2)
    result = client.get(found["result"])
    assert result.json() == client.post("/v1/predict", json=asked).json()
    assert client.get(f"{found['result']}?format=csv").text.startswith("id,formula,band_gap")
    tagged = client.get(found["result"], headers={"If-None-Match": result.headers["etag"]})
    assert tagged.status_code == 304


def test_events_end_with_the_job(client: TestClient) -> None:
    job = client.post("/v1/embed", json={"structures": [SALT]}, headers=LATER).json()
    found = client.get(job["events"])
    assert found.headers["content-type"].startswith("text/event-stream")
    *_, last = found.text.strip().split("\n\n")
    name, data = last.splitlines()
    assert name == "event: done"
    assert json.loads(data.removeprefix("data: "))["state"] == "done"


def test_a_job_is_cancelled(client: TestClient) -> None:
    many = {"structures": [stretched(1 + i / 100) for i in range(30)]}
    job = client.post("/v1/explain", json=many, headers=LATER).json()
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 200
    assert ended(client, job)["state"] == "cancelled"
    assert client.get(job["result"]).status_code == 409


def test_a_job_that_fails_has_the_problem(client: TestClient) -> None:
    job = client.post("/v1/predict", json={"structures": [SALT], "model": "nothing"}, headers=LATER).json()
    found = ended(client, job)
    assert found["state"] == "failed"
    assert "There is no model" in found["problem"]["detail"]
    assert client.get(job["result"]).status_code == 422


def test_ids_that_are_none_are_not_found(client: TestClient) -> None:
    for address in ("/v1/jobs/none", "/v1/jobs/none/result", "/v1/jobs/none/events", "/v1/jobs/..%2f..%2fetc"):
        assert client.get(address).status_code == 404


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    found = Jobs(workers=1, queue=2, seconds=60, kept=0.2, held=1000)
    yield found
    found.close(0)


def test_a_request_that_failed_and_can_be_asked_for_holds_nothing_of_what_was_sent(client: TestClient) -> None:
    body = {"structures": [SALT], "model": "no such model"}
    assert ended(client, client.post("/v1/predict", json=body, headers=LATER).json())["state"] == "failed"
    time.sleep(0.1)
    gc.collect()
    contents = [found for found in gc.get_objects() if type(found) is Content]
    assert not [found for found in contents if found.asked.model == body["model"]]


def test_the_queue_is_as_long_as_it_may_be(jobs: Jobs) -> None:
    may = threading.Event()
    first, second = (jobs.start("x", lambda _: may.wait(5)) for _ in range(2))
    with pytest.raises(ServiceError) as caught:
        jobs.start("x", lambda _: None)
    assert caught.value.status == 429
    may.set()
    assert first.future.result(5)
    assert second.future.result(5)
    assert jobs.start("x", lambda _: 5).future.result(5) == 5


def test_results_are_kept_for_a_while_and_not_too_many(jobs: Jobs) -> None:
    def kept(size: int) -> Job:
        job = jobs.start("x", lambda job: setattr(job, "size", size))
        job.kept = True
        job.future.result(5)
        while job.ended is None:
            time.sleep(0.001)
        return job

    first = kept(600)
    assert jobs.get(first.id) is first
    second = kept(600)
    with pytest.raises(ServiceError):
        jobs.get(first.id)
    assert jobs.get(second.id) is second
    time.sleep(0.3)
    with pytest.raises(CryskitError, match="no such job"):
        jobs.get(second.id)


def test_a_job_that_is_let_go_is_freed_at_once(jobs: Jobs) -> None:
    may = threading.Event()
    gc.disable()
    try:
        job = jobs.start("x", lambda _: may.wait(5))
        may.set()
        job.future.result(5)
        while job.ended is None:
            time.sleep(0.001)
        jobs.discard(job)
        kept = weakref.ref(job)
        del job
        assert kept() is None, "its result waits for a search for garbage"
    finally:
        gc.enable()


def test_a_job_that_failed_keeps_nothing_of_what_was_sent(jobs: Jobs) -> None:
    def fail(sent: set[int], job: Job) -> None:
        job.stop.wait(5)
        raise ValueError(len(sent))

    class Sent(set[int]):
        pass

    sent = Sent()
    kept, job = weakref.ref(sent), jobs.start("x", partial(fail, sent))
    del sent
    job.stop.set()
    assert isinstance(job.future.exception(5), ValueError)
    for _ in range(100):
        if kept() is None:
            break
        time.sleep(0.02)
    assert kept() is None
    assert job.state == "failed"


def test_a_job_that_is_asked_for_later_logs_its_traceback_and_lets_go_of_it(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(job: Job) -> None:
        job.stop.wait(5)
        try:
            {}["inner"]
        except KeyError as error:
            raise ValueError("outer") from error

    job = jobs.start("x", fail)
    jobs.keep(job)
    job.stop.set()
    error = job.future.exception(5)
    for _ in range(100):
        if job.ended is not None:
            break
        time.sleep(0.02)
    assert isinstance(error, ValueError)
    assert error.__traceback__ is None
    assert error.__cause__ is not None
    assert error.__cause__.__traceback__ is None
    (record,) = (record for record in caplog.records if record.exc_info)
    assert record.exc_info[1] is error  # type: ignore[index]
    assert record.exc_info[2] is not None, "it was logged before"  # type: ignore[index]


def test_what_runs_is_finished_before_the_end() -> None:
    jobs = Jobs(workers=1, queue=5, seconds=60, kept=5, held=1000)
    done = jobs.start("x", lambda _: time.sleep(0.2) or "done")
    jobs.close(5)
    assert done.future.result(0) == "done"
    with pytest.raises(ServiceError) as caught:
        jobs.start("x", lambda _: None)
    assert caught.value.status == 503


def test_what_is_not_done_in_time_is_cancelled() -> None:
    jobs = Jobs(workers=1, queue=5, seconds=60, kept=5, held=1000)

    def work(job: Job) -> None:
        while True:
            time.sleep(0.01)
            job.advance(0)

    job = jobs.start("x", work)
    jobs.close(0.1)
    assert job.state == "cancelled"
