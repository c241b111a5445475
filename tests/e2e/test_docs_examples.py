# SPDX-License-Identifier: Apache-2.0
"""Examples in the documentation are what the program does."""

import re
from pathlib import Path

import pytest

import support

DOCS = support.SOURCE / "docs"


def blocks(path, starts):
    """Indented blocks of a page that begin with `starts`, dedented."""
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", Path(path).read_text(), re.M):
        text = re.sub(r"^    ", "", block, flags=re.M).strip("\n") + "\n"
        if text.startswith(starts):
            yield text


def test_the_pipelines_of_the_language_page_are_valid(runner, pipe):
    whole = list(blocks(DOCS / "pipeline-language.md", ("name: ", "stages:\n")))
    assert len(whole) == 2
    for text in whole:
        runner("validate", pipe(text), env={"PIP_TOKEN": "x"})


def test_the_secrets_of_the_language_page_are_valid(runner, pipe):
    text, = blocks(DOCS / "pipeline-language.md", "secrets:\n")
    runner("validate", pipe(text + "stages: [{id: a, uses: exec, with: {command: x}}]\n"))


def test_the_error_of_the_language_page_is_what_is_printed(runner, pipe):
    text, = blocks(DOCS / "pipeline-language.md", "deploy.pipe:")
    file = "stages:\n" + "\n" * 7 + "  - id: a\n    uses: ecr-push\n    with:\n      repositry: app\n"
    pipe(file, "deploy.pipe")
    err = runner("validate", "deploy.pipe", code=2).err
    assert text in err


@pytest.mark.parametrize("name", sorted(p.parent.name for p in (support.SOURCE / "plugins").glob("*/plugin.c")))
def test_the_page_of_a_stage_is_printed_from_its_tables(runner, name):
    page = DOCS / f"stages/{name}.md"
    assert page.read_text() == runner("plugins", "describe", "--markdown", name).out, "run `make docs`"


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", (DOCS / "pipeline-language.md").read_text()))))
def test_options_that_the_page_mentions_exist(runner, option):
    assert option in runner("run", "--help").out + runner("validate", "--help").out
