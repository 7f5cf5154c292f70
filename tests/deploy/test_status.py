"""What runs against what is intended, the way back, and batch prediction, with the kubectl of test_rollout.py."""

import pytest

from .test_rollout import TAGS, Change, Object, Ship, deployed, running, ship, shipped

__all__ = ["deployed", "running", "ship", "shipped"]


def test_a_cluster_that_runs_what_is_intended(running: Ship) -> None:
    code, output = running.python("status")
    assert code == 0, output
    assert output.count(f"ghcr.io/ada/myproj:{TAGS[0]}") == 5  # intended, asked, three pods
    assert output.count(f"ghcr.io/ada/myproj-jobs:{TAGS[0]}") == 2
    assert "not committed" in output
    assert running.make("status", "ENV=prod")[0] == 0


def other_image(pod: Object) -> None:
    pod["status"]["containerStatuses"][0] |= {"image": "ghcr.io/ada/myproj:0.0.9-x", "imageID": "x@sha256:" + 64 * "9"}


def pushed_twice(pod: Object) -> None:
    pod["status"]["containerStatuses"][0]["imageID"] = "ghcr.io/ada/myproj@sha256:" + 64 * "9"


def crashing(pod: Object) -> None:
    why = {"reason": "CrashLoopBackOff"}
    last = {"exitCode": 137, "reason": "OOMKilled"}
    status = {"ready": False, "state": {"waiting": why}, "lastState": {"terminated": last}}
    pod["status"]["containerStatuses"][0] |= status


def unscheduled(pod: Object) -> None:
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    pod["status"] = {"phase": "Pending", "conditions": [why]}


def preparing(pod: Object) -> None:
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    pod["status"]["containerStatuses"][0]["ready"] = False
    pod["status"]["initContainerStatuses"] = [{"name": "init", "state": ended}]


def going(pod: Object) -> None:
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


def older_job(job: Object) -> None:
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/ada/myproj-jobs:0.0.9-x"


def by_hand(api: Object) -> None:
    api["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/ada/myproj:0.0.9-x"


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [
        ("pod", other_image, "runs ghcr.io/ada/myproj:0.0.9-x"),
        ("pod", pushed_twice, "pushed twice"),
        ("pod", crashing, "CrashLoopBackOff (it last ended with exit code 137, OOMKilled)"),
        ("pod", preparing, "ended with exit code 3, Error"),
        ("pod", unscheduled, "0/3 nodes are available"),
        ("pod", going, "still going"),
        ("deployment", by_hand, "the cluster was asked for ghcr.io/ada/myproj:0.0.9-x"),
        ("deployment", lambda api: api["metadata"].update(generation=9), "has not looked"),
        ("deployment", lambda api: api["status"].update(replicas=4), "1 are old ones"),
        ("deployment", lambda api: api["status"].update(readyReplicas=2), "2 are ready"),
        ("cronjob", older_job, "would run ghcr.io/ada/myproj-jobs:0.0.9-x"),
    ],
)
def test_a_cluster_that_differs_is_told_and_fails(running: Ship, kind: str, change: Change, text: str) -> None:
    running.edit(kind, change)
    code, output = running.python("status")
    assert code == 1, output
    assert text in output


def test_a_half_rolled_state_is_told_with_both_images_and_the_reason(running: Ship) -> None:
    running.change(mode="pull")
    running.deploy(TAGS[1])
    code, output = running.python("status")
    assert code == 1
    assert "ImagePullBackOff" in output
    assert output.count(f"runs ghcr.io/ada/myproj:{TAGS[0]}") == 3
    assert "1 are new and 3 are ready, and 3 are old ones" in output


def engine_names(pod: Object) -> None:
    pod["status"]["containerStatuses"][0]["image"] = "sha256:" + 64 * "5"


def retagged(pod: Object) -> None:
    pod["status"]["containerStatuses"][0]["image"] = "mirror.lan/myproj:1.0.0"


@pytest.mark.parametrize("change", [engine_names, retagged])
def test_the_same_content_under_another_name_is_right(running: Ship, change: Change) -> None:
    running.edit("pod", change)
    assert running.python("status")[0] == 0


def test_an_evicted_pod_does_not_count(running: Ship) -> None:
    objects = running.state()["objects"]
    dead = {**next(pod for name, pod in objects.items() if name.startswith("pod/"))}
    dead["metadata"] = {**dead["metadata"], "name": "evicted"}
    dead["status"] = {"phase": "Failed", "reason": "Evicted"}
    running.change(objects=objects | {"pod/evicted": dead})
    code, output = running.python("status")
    assert code == 0
    assert "evicted  ended" in output


def test_nothing_deployed_differs_and_a_cluster_that_is_away_is_another_matter(ship: Ship) -> None:
    code, output = ship.python("status")
    assert code == 1
    assert "nothing is deployed" in output
    ship.change(mode="away")
    code, output = ship.python("status")
    assert code == 2
    assert "was refused" in output
    assert ship.make("status", "ENV=prod")[0] != 0


def test_undo_goes_back_with_the_jobs_and_git_says_so(running: Ship) -> None:
    kept = running.overlay.read_bytes()
    running.change(mode="pull")
    running.deploy(TAGS[1])
    running.change(mode="well")
    code, output = running.make("deploy-undo", "ENV=prod")
    assert code == 0, output
    assert running.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[0]}"}
    assert running.images("cronjob") == {f"ghcr.io/ada/myproj-jobs:{TAGS[0]}"}
    assert running.overlay.read_bytes() == kept
    assert "git commit" in output
    assert running.python("status")[0] == 0


def test_undo_goes_to_the_revision_that_is_named(running: Ship) -> None:
    for tag in TAGS[1:]:
        running.deploy(tag)
    code, output = running.make("deploy-undo", "ENV=prod", "REVISION=7")
    assert code != 0
    assert f"1 (ghcr.io/ada/myproj:{TAGS[0]})" in output
    assert running.make("deploy-undo", "ENV=prod", "REVISION=1")[0] == 0
    assert running.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[0]}"}
    assert TAGS[0] in running.overlay.read_text("utf-8")


@pytest.mark.parametrize(("deploys", "text"), [(0, "Nothing is deployed"), (1, "no roll-out before revision 1")])
def test_undo_without_an_earlier_roll_out_changes_nothing(ship: Ship, deploys: int, text: str) -> None:
    for tag in TAGS[:deploys]:
        ship.deploy(tag)
    before = ship.overlay.read_bytes()
    sent = len(ship.sent)
    code, output = ship.make("deploy-undo", "ENV=prod")
    assert code != 0
    assert text in output
    assert len(ship.sent) == sent
    assert ship.overlay.read_bytes() == before


def test_undo_works_also_while_the_manifests_are_broken(running: Ship) -> None:
    running.deploy(TAGS[1])
    broken = running.overlay.read_text("utf-8").replace("maxReplicas: 10", "maxReplicas: 2")
    running.overlay.write_text(broken, encoding="utf-8")
    assert running.make("deploy-undo", "ENV=prod")[0] == 0
    assert running.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[0]}"}


@pytest.mark.parametrize("image", ["ghcr.io/ada/other:1.0.0", "ghcr.io:443/ada/myproj", "myproj:1.0.0"])
def test_undo_to_what_the_overlay_cannot_name_changes_nothing(running: Ship, image: str) -> None:
    def change_image(replica_set: Object) -> None:
        replica_set["spec"]["template"]["spec"]["containers"][0]["image"] = image

    running.deploy(TAGS[1])
    running.edit("replicaset", change_image)
    kept = running.overlay.read_bytes()
    sent = len(running.sent)
    code, output = running.make("deploy-undo", "ENV=prod")
    assert code != 0
    assert image in output
    assert running.overlay.read_bytes() == kept
    assert len(running.sent) == sent


def test_undo_into_a_roll_out_that_fails_is_explained(running: Ship) -> None:
    running.deploy(TAGS[1])
    running.change(mode="pull")
    code, output = running.make("deploy-undo", "ENV=prod")
    assert code != 0
    assert "ImagePullBackOff" in output


def test_a_batch_runs_what_the_api_runs_on_the_files_that_are_named(running: Ship) -> None:
    code, output = running.make("predict-batch", "ENV=prod", "IN=may/rows.csv", "OUT=answers.csv")
    assert code == 0, output
    job = next(thing for name, thing in running.state()["objects"].items() if name.startswith("job/"))
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"ghcr.io/ada/myproj-jobs:{TAGS[0]}"
    assert container["args"] == ["predict", "/tables/may/rows.csv", "/tables/answers.csv"]
    assert "344 rows predicted" in output
    assert running.make("predict-batch", "ENV=prod")[0] == 0  # the files that the manifest names


@pytest.mark.parametrize("words", [("IN=/etc/passwd", "OUT=x"), ("IN=x", "OUT=../x"), ("IN=x",), ("IN=.", "OUT=x")])
def test_files_outside_of_the_volume_are_refused(running: Ship, words: tuple[str, ...]) -> None:
    sent = len(running.sent)
    assert running.make("predict-batch", "ENV=prod", *words)[0] != 0
    assert [call for call in running.sent[sent:] if "--dry-run=client" not in call] == []


def test_a_batch_that_fails_is_told(running: Ship) -> None:
    running.change(mode="failing")
    code, output = running.make("predict-batch", "ENV=prod")
    assert code != 0
    assert "failed" in output


def test_a_table_is_copied_whole_through_a_pod_that_is_gone_afterwards(running: Ship) -> None:
    (running.project / "data" / "recent.csv").write_text("a,b", encoding="utf-8")
    code, output = running.make("tables", "ENV=prod", "IN=data/recent.csv")
    assert code == 0, output
    state = running.state()
    assert state["copied"] == ["data/recent.csv", "myproj-predict-q4w8e:/tables/recent.csv.part"]
    assert state["moved"] == ["/tables/recent.csv.part", "/tables/recent.csv"]
    assert running.make("tables", "ENV=prod", "OUT=answers.csv")[0] == 0
    assert (running.project / "answers.csv").read_text("utf-8") == "answers"
    assert "pod/myproj-predict-q4w8e" not in running.state()["objects"]


@pytest.mark.parametrize(
    ("words", "text"),
    [(("IN=none.csv",), "no such file"), ((), "Say which file"), (("IN=Makefile",), "does not start: ErrImagePull")],
)
def test_a_copy_that_fails_leaves_no_pod(running: Ship, words: tuple[str, ...], text: str) -> None:
    running.change(mode="failing")
    code, output = running.make("tables", "ENV=prod", *words)
    assert code != 0
    assert text in output
    assert "pod/myproj-predict-q4w8e" not in running.state()["objects"]
