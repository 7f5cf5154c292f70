"""What goes wrong around a deploy: half of it is taken, somebody else is at work, files are not what they should be."""

import json

import pytest

from .test_rollout import TAGS, Ship, deployed, running, ship, shipped

__all__ = ["deployed", "running", "ship", "shipped"]
OVERLAY = "deploy/kubernetes/overlays/prod/kustomization.yaml"


def test_after_half_a_deploy_the_way_back_is_to_the_tag_before(running: Ship) -> None:
    assert running.deploy(TAGS[1])[0] == 0
    running.change(mode="part")
    code, output = running.deploy(TAGS[2])
    assert code != 0
    assert f"make deploy ENV=prod TAG={TAGS[1]}" in output
    assert "deploy-undo" not in output
    running.change(mode="well")
    code, output = running.make("deploy-undo", "ENV=prod")
    assert code != 0, "it would go back behind what runs"
    assert "REVISION=" in output
    assert running.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[1]}"}
    assert running.make("deploy-undo", "ENV=prod", "REVISION=1")[0] == 0


def in_one_namespace(ship: Ship) -> None:
    for name in ("dev", "prod"):
        path = ship.overlay.parents[1] / name / "kustomization.yaml"
        lines = path.read_text("utf-8").splitlines()
        kept = [line for line in lines if "namespace.yaml" not in line and not line.startswith("namespace: ")]
        path.write_text("\n".join(["namespace: ml-team", *kept]), encoding="utf-8")


def test_two_environments_do_not_overwrite_each_other(ship: Ship) -> None:
    in_one_namespace(ship)
    code, output = ship.make("manifests", "ENV=prod")
    assert code != 0
    assert "Deployment/myproj-api: overlays/dev has one of that name in the namespace ml-team too" in output
    assert ship.make("status", "ENV=prod")[0] != 0
    path = ship.overlay.parents[1] / "dev" / "kustomization.yaml"
    path.write_text(path.read_text("utf-8") + "nameSuffix: -dev\n", encoding="utf-8")
    code, output = ship.make("manifests", "ENV=prod")
    assert "of that name" not in output


def test_a_missing_namespace_hides_no_other_error(ship: Ship) -> None:
    before = ship.overlay.read_bytes()
    ship.change(mode="refuse")
    code, output = ship.deploy(TAGS[0])
    assert code != 0
    assert "exceeded quota" in output
    assert (ship.sent, ship.overlay.read_bytes()) == ([], before)


def test_a_namespace_that_nobody_makes_stops_the_deploy(ship: Ship) -> None:
    ship.overlay.write_text(ship.overlay.read_text("utf-8").replace("  - namespace.yaml", "  #"), encoding="utf-8")
    before = ship.overlay.read_bytes()
    code, output = ship.deploy(TAGS[0])
    assert code != 0
    assert 'namespaces "myproj-prod" not found' in output
    assert (ship.sent, ship.overlay.read_bytes()) == ([], before)


def test_what_is_edited_while_a_deploy_works_is_kept(running: Ship) -> None:
    sent = len(running.sent)
    running.change(meanwhile={"apply": f"echo '# mine' >> {OVERLAY}"})
    code, output = running.deploy(TAGS[1])
    assert code != 0
    assert "edited meanwhile" in output
    assert running.overlay.read_text("utf-8").endswith("# mine\n")
    assert TAGS[1] not in running.overlay.read_text("utf-8")
    assert len(running.sent) == sent


def test_of_two_deploys_at_once_the_slower_does_not_say_that_it_runs(running: Ship) -> None:
    other = f"make -o .venv/ready deploy ENV=prod TAG={TAGS[2]} >/dev/null"
    running.change(meanwhile={"rollout": other})
    code, output = running.deploy(TAGS[1])
    assert running.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[2]}"}
    assert code != 0
    assert f"runs {TAGS[1]}" not in output
    assert f"ghcr.io/ada/myproj:{TAGS[2]}" in output


def test_a_deploy_that_is_stopped_says_so(running: Ship) -> None:
    running.change(meanwhile={"rollout": "kill -INT $CALLER"})
    code, output = running.deploy(TAGS[1])
    assert code != 0
    assert "Stopped" in output


def test_a_job_that_is_no_longer_intended_is_told(running: Ship) -> None:
    path = running.project / "deploy" / "kubernetes" / "base" / "kustomization.yaml"
    path.write_text(path.read_text("utf-8").replace("  - monitor.yaml\n", ""), encoding="utf-8")
    assert running.deploy(TAGS[0])[0] == 0
    code, output = running.python("status")
    assert code == 1
    assert "DIFFERS   myproj-monitor runs by the clock" in output


def test_another_project_in_the_namespace_is_another_matter(running: Ship) -> None:
    objects = running.state()["objects"]
    for name in [name for name in objects if name.startswith(("cronjob/", "pod/"))]:
        other = json.loads(json.dumps(objects[name]).replace("myproj", "theirs").replace(TAGS[0], TAGS[2]))
        objects[name.replace("myproj", "theirs")] = other
    running.change(objects=objects)
    code, output = running.python("status")
    assert code == 0, output


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("namespace: ", "# ", "no namespace"),
        ("images:", "# Gr\udcfc\u00dfe\nimages:", "not UTF-8"),
    ],
)
def test_an_overlay_that_is_not_as_it_should_be_is_told(running: Ship, old: str, new: str, text: str) -> None:
    changed = running.overlay.read_text("utf-8").replace(old, new, 1)
    running.overlay.write_bytes(changed.encode("utf-8", "surrogateescape"))
    for target in ("manifests", "status", "deploy-undo"):
        code, output = running.make(target, "ENV=prod")
        assert code != 0
        assert text in output


@pytest.mark.parametrize("field", ["env:", "volumes:", "limits:"])
def test_a_list_without_items_is_told_with_its_place_or_passes(running: Ship, field: str) -> None:
    path = running.project / "deploy" / "kubernetes" / "base" / "deployment.yaml"
    lines = path.read_text("utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith(field))
    indent = len(lines[at]) - len(lines[at].lstrip())
    rest = at + 1
    while lines[rest:] and len(lines[rest]) - len(lines[rest].lstrip()) > indent:
        rest += 1
    path.write_text("\n".join([*lines[:at], " " * indent + field, *lines[rest:]]) + "\n", encoding="utf-8")
    code, output = running.make("manifests", "ENV=prod")
    assert "NoneType" not in output
    assert (code == 0) == (field != "volumes:"), output
    assert code == 0 or "Deployment/myproj-api: container api: it mounts tmp" in output


def test_a_lock_of_an_editor_and_a_folder_that_overlays_share_do_no_harm(running: Ship) -> None:
    running.overlay.with_name(".#kustomization.yaml").symlink_to("ada@lab.1234")
    more = running.project / "deploy" / "more"
    more.mkdir()
    (more / "kustomization.yaml").write_text("resources: [a.yaml]\n", encoding="utf-8")
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}
    (more / "a.yaml").write_text(json.dumps(thing), encoding="utf-8")
    text = running.overlay.read_text("utf-8").replace("- ../../base", "- ../../base\n  - ../../../more")
    running.overlay.write_text(text, encoding="utf-8")
    code, output = running.make("manifests", "ENV=prod")
    assert code == 0, output
    assert "name: more" in output


def test_what_is_asked_is_never_run_by_make(running: Ship) -> None:
    names = ("CONTEXT", "TAG", "REGISTRY", "REVISION", "IN", "OUT")
    asked = [f"{name}=$(shell touch ran-{name})x" for name in names]
    for target in ("deploy", "predict-batch", "tables"):
        for environment in ("prod", "$(shell touch ran-ENV)x"):
            running.make(target, f"ENV={environment}", *asked)
    assert list(running.project.glob("ran*")) == []


def test_a_registry_of_the_shell_is_not_meant(running: Ship) -> None:
    running.environment |= {"REGISTRY": "ghcr.io/eve", "TAG": TAGS[2], "OUT": "x", "IN": "y", "REVISION": "7"}
    assert running.make("deploy", "ENV=prod", f"TAG={TAGS[1]}")[0] == 0
    assert running.images("deployment") == {f"ghcr.io/ada/myproj:{TAGS[1]}"}
    assert running.make("deploy", "ENV=prod")[0] != 0
    assert running.make("predict-batch", "ENV=prod")[0] == 0
    assert running.make("deploy-undo", "ENV=prod")[0] == 0


def test_a_copy_that_breaks_off_leaves_nothing_and_replaces_nothing(running: Ship) -> None:
    running.change(mode="cut")
    assert running.make("tables", "ENV=prod", "OUT=answers.csv")[0] != 0
    assert list(running.project.glob("answers.csv*")) == []
    running.change(mode="well")
    (running.project / "answers.csv").write_text("mine", encoding="utf-8")
    code, output = running.make("tables", "ENV=prod", "OUT=answers.csv")
    assert code != 0
    assert "is here already" in output
    assert (running.project / "answers.csv").read_text("utf-8") == "mine"


def test_a_name_that_kubectl_would_misread_is_refused(running: Ship) -> None:
    (running.project / "9:30.csv").write_text("a", encoding="utf-8")
    code, output = running.make("tables", "ENV=prod", "IN=9:30.csv")
    assert code != 0
    assert 'without ":"' in output


def test_a_copy_that_is_stopped_leaves_no_pod(running: Ship) -> None:
    (running.project / "a.csv").write_text("a", encoding="utf-8")
    running.change(meanwhile={"cp": "kill -INT $CALLER"})
    code, output = running.make("tables", "ENV=prod", "IN=a.csv")
    assert code != 0
    assert "Stopped" in output
    assert not any(name.startswith("pod/myproj-predict") for name in running.state()["objects"])
