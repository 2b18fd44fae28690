"""Run one of the Python SDKs in its own process: ``drive.py MODULE``, a task on stdin, a report on stdout."""

import importlib
import json
import sys

ARGUMENTS = {"userId": "user_id", "anonymousId": "anonymous_id", "previousId": "previous_id", "groupId": "group_id"}
PATIENCE_SECONDS = 300


def main(module: str) -> None:
    task = json.load(sys.stdin)
    errors, failed = [], set()

    def record_failure(error, batch):
        errors.append(f"{type(error).__name__}: {error}")
        failed.update(message["messageId"] for message in batch)

    sdk = importlib.import_module(f"{module}.client")
    # The thread that sends starts after the calls, and takes all of them for one request, however slow the machine: the interval after
    # which it would send fewer never ends. It also waits for the response of a busy server.
    client = sdk.Client(
        task["writeKey"],
        host=task["host"],
        on_error=record_failure,
        upload_size=len(task["calls"]),
        upload_interval=PATIENCE_SECONDS,
        timeout=PATIENCE_SECONDS,
        send=False,
    )
    client.send = True
    queued = []
    for call in task["calls"]:
        arguments = {ARGUMENTS.get(name, name): value for name, value in call.items() if name != "call"}
        is_queued, message = getattr(client, call["call"])(**arguments)
        assert is_queued, message
        queued.append(message["messageId"])
    for consumer in client.consumers:
        consumer.start()
    client.flush()  # until all are sent; a shutdown would also wait for more calls
    delivered = [message_id for message_id in queued if message_id not in failed]
    json.dump({"sdk": f"{module} {sdk.VERSION}", "delivered": delivered, "errors": errors}, sys.stdout)


main(sys.argv[1])
