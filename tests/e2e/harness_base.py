# SPDX-License-Identifier: Apache-2.0
"""The base image of the differential tests (a static busybox) as an OCI layout, for tests that need no registry."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "differential"))

import harness  # noqa: E402


def layout(folder):
    harness.layout(folder, False)
