#!/usr/bin/env bash
# Two `ThreadedMotoServer`s in one process, at ports of their own, are one AWS: what one stores, the other one shows.
#
# Expected: a server that a test starts on a free port and stops afterwards is empty, like a new container of moto, and
#   another server has other buckets.
# Seen: a bucket that was created at the first port is there at the second one, and an object survives the stop of both:
#   a third server, started later, still has it. The state belongs to the process. `POST /moto-api/reset` to any of them
#   empties all. So tests that each start a server pass alone, and depend on their order in one process.
# Versions: moto 5.2.5, boto3 1.43.117, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.1 boto3==1.43.117
cat >"$folder/servers.py" <<'PY'
"""Store an object in one server, and list the objects of others."""

import logging
from importlib.metadata import version
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
print("moto", version("moto"), "boto3", version("boto3"))


def start():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    return server, url, boto3.client("s3", endpoint_url=url, **keys)


def buckets(client):
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


first, first_url, client = start()
second, second_url, other = start()
print("two addresses:", first_url != second_url)
client.create_bucket(Bucket="flights")
client.put_object(Bucket="flights", Key="row", Body=b"1")
print("buckets of the second:", buckets(other))
first.stop()
second.stop()
third, third_url, later = start()
print("object in a third after both stopped:", later.get_object(Bucket="flights", Key="row")["Body"].read())
urlopen(Request(f"{third_url}/moto-api/reset", method="POST")).close()
print("buckets after a reset:", buckets(later))
third.stop()
PY
cd "$folder"
venv/bin/python servers.py | tee seen
diff seen - <<'SEEN'
moto 5.2.5 boto3 1.43.117
two addresses: True
buckets of the second: ['flights']
object in a third after both stopped: b'1'
buckets after a reset: []
SEEN
