"""Squares of numbers, by scikit-learn, as a Lambda function behind an API."""

import base64
import json

import numpy
import requests
import sklearn
from sklearn.preprocessing import FunctionTransformer

SQUARE = FunctionTransformer(numpy.square)


def numbers_of(event):
    """The list of numbers in a direct event ({"body": [1, 2]}) or a proxy event (its body is JSON text)."""
    body = event.get("body") if isinstance(event, dict) else event
    if isinstance(body, str):
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body)
        body = json.loads(body)
    if not isinstance(body, list) or any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in body):
        raise ValueError("body must be a list of numbers")
    return body


def answer(status, value):
    headers = {"content-type": "application/json", "x-made-with": f"scikit-learn {sklearn.__version__}, requests {requests.__version__}"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(value)}


def handler(event, context):
    try:
        numbers = numbers_of(event)
    except ValueError as error:
        return answer(400, {"error": str(error)})
    if not numbers:
        return answer(200, [])
    squares = SQUARE.transform(numpy.array(numbers, dtype=float).reshape(-1, 1)).ravel()
    return answer(200, [int(s) if float(s).is_integer() else float(s) for s in squares])
