# SPDX-License-Identifier: Apache-2.0
"""The local cloud: what it adds to a function's own time, cold starts, and a crowd of callers."""

import base64
import concurrent.futures
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "tests/e2e"))

BODY = b"[1, 2, 3, 4, 5]"
FUNCTION = "lambda-fn-serverless-example"


def caller(host, path, key):
    """One connection that is kept; call() returns the seconds that an answer took."""
    connection = http.client.HTTPConnection(host)

    def call():
        begin = time.perf_counter()
        connection.request("POST", path, BODY, {"x-api-key": key, "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - begin
        if answer.status != 200 or json.loads(text) != [1, 4, 9, 16, 25]:
            sys.exit(f"the API answered {answer.status} {text!r}")
        return took

    return call


def own_time(client):
    """Median duration of the function as its own REPORT line has it, in seconds."""
    found = []
    for _ in range(40):
        answer = client.invoke(FunctionName=FUNCTION, Payload=json.dumps({"body": [1, 2, 3, 4, 5]}), LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        found.append(float(re.search(r"\tDuration: ([\d.]+) ms", log).group(1)) / 1000)
    return statistics.median(found)


def cold_start(client):
    """(seconds of the first call after a change, of it until the program asked for its event)."""
    client.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {"CHANGED": str(time.time_ns())}})
    client.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    begin = time.perf_counter()
    answer = client.invoke(FunctionName=FUNCTION, Payload=json.dumps({"body": [1]}), LogType="Tail")
    took = time.perf_counter() - begin
    log = base64.b64decode(answer["LogResult"]).decode()
    return took, float(re.search(r"Init Duration: ([\d.]+) ms", log).group(1)) / 1000


def bench_cloud(table, folder):
    """The local cloud: what it adds to a function's own time, cold starts, and a crowd of callers."""
    import boto3
    import support

    with support.Cloud(Path(folder) / "cloud") as cloud:
        env = cloud.env
        subprocess.run([support.BUILD / "bin/runner", "run", SOURCE / "pipelines/serverless.pipe"], cwd=folder, check=True,
                       env={**os.environ, **env}, stdout=subprocess.DEVNULL)
        client = {s: boto3.client(s, endpoint_url=env["AWS_ENDPOINT_URL"], aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
                                  aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
                  for s in ("lambda", "apigateway")}
        gateway = client["apigateway"]
        plan = gateway.get_usage_plans()["items"][0]["id"]
        gateway.update_usage_plan(usagePlanId=plan, patchOperations=[
            *({"op": "replace", "path": f"/throttle/{name}", "value": "100000"} for name in ("rateLimit", "burstLimit")),
            {"op": "replace", "path": "/quota/limit", "value": "1000000"}])
        key = gateway.get_api_keys(includeValues=True)["items"][0]["value"]
        api = gateway.get_rest_apis()["items"][0]["id"]
        host, path = env["AWS_ENDPOINT_URL"].partition("://")[2], f"/restapis/{api}/test/_user_request_/predict"
        call = caller(host, path, key)
        call()
        warm = statistics.median(call() for _ in range(300))
        own = own_time(client["lambda"])
        table.add(f"warm call through the API, less the function's {own * 1000:.2f} ms", warm - own, "< 2 ms")
        colds = [cold_start(client["lambda"]) for _ in range(8)]
        table.add("cold start of squares: until it asks for its event", min(init for _, init in colds), "< 50 ms")
        table.add("cold start of squares: the whole first call", min(took for took, _ in colds))
        callers = [caller(host, path, key) for _ in range(20)]
        begin = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda c: [c() for _ in range(25)], callers))
        table.add("500 calls by 20 callers at once", time.perf_counter() - begin)
