"""The least that can run a handler: for tests, which have no runtime client of Lambda's installed.

Usage: plain_runtime.py MODULE.FUNCTION
"""

import http.client
import importlib
import json
import os
import sys
from types import SimpleNamespace

INVOCATION = "/2018-06-01/runtime/invocation"

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
module, _, function = sys.argv[1].partition(".")
handler = getattr(importlib.import_module(module), function)
context = SimpleNamespace(log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"])
while True:
    api.request("GET", f"{INVOCATION}/next")
    answer = api.getresponse()
    event, request_id = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        outcome, body = "response", handler(event, context)
    except Exception as error:
        outcome, body = "error", {"errorMessage": str(error), "errorType": type(error).__name__}
    api.request("POST", f"{INVOCATION}/{request_id}/{outcome}", json.dumps(body))
    api.getresponse().read()
