#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a compilation database: compdb.py "COMPILER FLAGS" SOURCE..."""

import json
import os
import sys

json.dump([{"directory": os.getcwd(), "file": source, "command": f"{sys.argv[1]} -c {source}"} for source in sys.argv[2:]],
          sys.stdout, indent=1)
