# SPDX-License-Identifier: Apache-2.0
"""`runner plan`: its exit codes, its document, and the policy that it prints."""

import json

from engine import PATH, pipeline, sh, stage


def keeper(id, file, text="new", **keys):  # noqa: A002
    return stage(id, "keeper", keys, file=file, text=text)


def test_detailed_exit_codes_are_those_of_terraform(runner, pipe, tmp_path):
    file = pipe(pipeline(keeper("a", "a")))
    runner("plan", *PATH, file, code=0)
    runner("plan", *PATH, "--detailed-exitcode", file, code=2)
    (tmp_path / "a").write_text("new")
    runner("plan", *PATH, "--detailed-exitcode", file, code=0)
    runner("plan", *PATH, "--detailed-exitcode", pipe(pipeline(stage("a", "nobody"))), code=1)
    runner("plan", *PATH, pipe(pipeline(stage("a", "nobody"))), code=2)


def test_the_document_has_stages_changes_and_counts(runner, pipe, tmp_path):
    (tmp_path / "b").write_text("old")
    (tmp_path / "c").write_text("new")
    result = runner("plan", *PATH, "--output", "json", pipe(pipeline(keeper("a", "a"), keeper("b", "b"), keeper("c", "c"))))
    plan = json.loads(result.out)
    assert [s["status"] for s in plan["stages"]] == ["ok"] * 3
    assert [(c["stage"], c["action"]) for c in plan["changes"]] == [("a", "created"), ("b", "updated"), ("c", "unchanged")]
    assert plan["counts"] == {"unchanged": 1, "created": 1, "updated": 1, "deleted": 0}
    assert plan["changes"][1]["fields"][0] == {"name": "text", "before": "old", "after": "new"}
    assert plan["changes"][0]["fields"][0] == {"name": "text", "after": "new"}
    assert not (tmp_path / ".runner").exists() and not (tmp_path / "a").exists()


def test_a_failing_plan_says_why_in_the_document(runner, pipe):
    result = runner("plan", *PATH, "-o", "json", pipe(pipeline(stage("a", "fail"))), code=None)
    assert json.loads(result.out)["stages"][0]["status"] in ("failed", "skipped")


def test_the_policy_narrows_what_is_known_and_contacts_nothing(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("x", "false"), keeper("my-stage", "a"), keeper("MyStage", "${{ stages.x.where }}"),
                         keeper("late", "${{ vars.where }}/${{ secrets.s }}"), vars={"where": "v"}, secrets={"s": {"env": "NOT_SET"}}))
    result = runner("plan", *PATH, "--iam-policy", file)
    assert "declared for: x" in result.err
    policy = json.loads(result.out)
    assert policy["Version"] == "2012-10-17"
    got = [(s["Sid"], s["Effect"], s["Action"], s["Resource"]) for s in policy["Statement"]]
    assert got == [("MyStage", "Allow", ["file:Read"], "*"),
                   ("MyStage2", "Allow", ["file:Write"], f"disk:{tmp_path}/a"),
                   ("MyStage3", "Allow", ["file:Read", "file:Write"], "*"),  # known only when it runs
                   ("Late", "Allow", ["file:Read", "file:Write"], "*")]  # never a secret
    only = json.loads(runner("plan", *PATH, "--iam-policy", "--only", "my-stage", file).out)
    assert only["Statement"] == policy["Statement"][:2]
    assert not (tmp_path / ".runner").exists()
    assert "runs nothing" in runner("plan", *PATH, "--iam-policy", "--until", "x", file, code=2).err
