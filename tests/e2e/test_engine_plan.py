# SPDX-License-Identifier: Apache-2.0
"""`runner plan`: its exit codes, its document, and the policy that it prints."""

import json
import re
import subprocess

import support
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


def test_the_policy_of_the_main_job_is_well_formed_and_narrow(runner):
    result = runner("plan", "--iam-policy", support.SOURCE / "pipelines/serverless.pipe")
    statements = json.loads(result.out)["Statement"]
    assert len({s["Sid"] for s in statements}) == len(statements)
    granted = {}
    for s in statements:
        assert set(s) == {"Sid", "Effect", "Action", "Resource"} and re.fullmatch("[A-Za-z0-9]+", s["Sid"])
        resources = s["Resource"] if isinstance(s["Resource"], list) else [s["Resource"]]
        assert all(r == "*" or re.fullmatch(r"arn:(aws|[*]):[a-z]+:[^:]*:[^:]*:\S+", r) and "$" not in r for r in resources), resources
        for action in s["Action"]:
            assert re.fullmatch("[a-z]+:[A-Za-z]+", action)
            granted.setdefault(action, set()).update(resources)
    assert {r.rpartition("/")[2] for r in granted["iam:CreateRole"]} == {"lambda-exec-role"}
    assert {r.rpartition("/")[2] for r in granted["ecr:PutImage"]} == {"serverless-example"}
    assert {r.partition(":function:")[2] for r in granted["lambda:CreateFunction"]} == {"lambda-fn-serverless-example"}
    assert granted["iam:PassRole"] == {"*"}, "the role is an output of another stage"
    assert len(re.sub(r"\s", "", result.out)) < 6144, "it fits into a managed policy"


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


def test_a_value_that_is_an_arn_stands_for_the_whole_resource(runner, pipe):
    arn = "arn:aws:iam::000000000000:role/path/r"
    for role, expected in ((arn, arn), ("r", "arn:*:iam::*:role/r"), ("${{ stages.x.arn }}", "*")):
        file = pipe(pipeline(sh("x", "true"), stage("f", "lambda", function_name="f", role=role, image="i")))
        statements = json.loads(runner("plan", "--iam-policy", file).out)["Statement"]
        assert [s["Resource"] for s in statements if "iam:PassRole" in s["Action"]] == [expected]


def test_a_permission_may_count_only_where_a_parameter_is_given(runner, pipe):
    def granted(**params):
        statements = json.loads(runner("plan", "--iam-policy", pipe(pipeline(stage("f", "lambda", function_name="f", role="r", image="i", **params)))).out)["Statement"]
        return {a for s in statements for a in s["Action"]}, [s for s in statements if "lambda:CreateFunctionUrlConfig" in s["Action"]]

    plain, none = granted()
    assert not none and not plain & {"lambda:AddPermission", "lambda:PutFunctionEventInvokeConfig", "lambda:PutProvisionedConcurrencyConfig"}
    with_url, (statement,) = granted(url={"auth": "NONE"})
    assert with_url - plain == {f"lambda:{a}" for a in ("GetFunctionUrlConfig", "CreateFunctionUrlConfig", "UpdateFunctionUrlConfig", "DeleteFunctionUrlConfig",
                                                         "GetPolicy", "AddPermission", "RemovePermission")}
    assert statement["Resource"] == ["arn:*:lambda:*:*:function:f", "arn:*:lambda:*:*:function:f:*"]
    text = runner("plugins", "describe", "lambda", "--markdown").out
    assert "Where `url` is given, on `arn:*:lambda:*:*:function:${function_name}`:" in text and "?url" not in text


def test_notes_of_a_plan_do_not_get_into_folders_that_others_made(runner, pipe, tmp_path):
    (tmp_path / "temp").mkdir()
    (tmp_path / "theirs").mkdir()
    prepare = 'mkdir "$TMPDIR/runner-plan-$$" && ln -s ../../theirs "$TMPDIR/runner-plan-$$/a" && exec "$@"'
    done = subprocess.run(["sh", "-c", prepare, "sh", support.BUILD / "bin/runner", "plan", *PATH, pipe(pipeline(keeper("a", "a")))],
                          env={**support.clean_env(tmp_path), "TMPDIR": str(tmp_path / "temp")}, cwd=tmp_path, timeout=support.PATIENCE, check=False)
    assert done.returncode == 0
    (guessed,) = (tmp_path / "temp").iterdir()  # its own is gone
    assert (guessed / "a").is_symlink() and (tmp_path / "theirs").is_dir() and not list((tmp_path / "theirs").iterdir())
